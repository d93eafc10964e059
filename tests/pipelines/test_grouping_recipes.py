"""`ovsegmentor-cc4m` and `groupvit-cc12m` resolve to their papers' numbers and take one step at full size."""

import copy

import pytest
import shipped
import torch

from ovseg_core.methods.registry import build
from ovseg_core.records import Batch
from pipelines import settings


def resolved(name, folder, *changes):
    return settings.resolve(shipped.values(folder, name, *changes))


def step(run) -> dict[str, float]:
    """One update on two images in full size, towers at random so that nothing is fetched."""
    run = copy.deepcopy(run)
    run["model"]["image"]["weights"] = run["model"]["text"]["weights"] = None
    torch.manual_seed(0)
    model = build(run["method"], run["settings"], run["model"], ["dog", "cat"])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=1e-3)
    batch = Batch(
        keys=["a", "b"],
        images=torch.rand(2, 3, run["data"]["size"], run["data"]["size"]),
        captions=["a dog and a cat", "dogs on grass"],
        words=[["dog", "cat"], ["dog", "grass"]],
        masks=torch.zeros(2, 1, 14, 14, dtype=torch.bool),
        num_masks=torch.zeros(2, dtype=torch.int64),
        labels=torch.full((2, 1), -1),
        nouns=[["dog", "cat"], ["dog", "grass"]],
        entities=[["dog", "cat"], ["dog"]],
        partner=[1, 0],
        shared=["dog", "dog"],
        step=9,
        steps=10,
    )
    losses = model.losses(batch)
    sum(losses.values()).backward()
    optimiser.step()
    assert all(torch.isfinite(parameter).all() for parameter in trained)
    found = {name: value.item() for name, value in losses.items()}
    return {**found, "parameters": sum(parameter.numel() for parameter in trained)}


def test_ovsegmentor_has_the_numbers_of_section_4_1(tmp_path):
    runs = resolved("ovsegmentor-cc4m", tmp_path)
    run = runs["ovsegmentor"].train
    own, train = run["settings"], run["train"]
    assert (own["num_groups"], own["layers"], own["ratio"], own["delta"]) == (8, (6, 6), 0.5, 0.65)
    assert (own["momentum"], own["mask_weight"], own["mask_from"], own["entity_weight"]) == (
        0.99,
        0.1,
        0.75,
        1,
    )
    assert (own["iterations"], own["keep_tokens"], own["prompts"]) == (1, True, "ensemble_80")
    assert (train["batch_size"], train["lr"], train["weight_decay"]) == (2048, 3.2e-4, 0.5)
    assert train["steps"] == pytest.approx(40 * 4.3e6 / 2048, rel=0.01)
    assert run["model"]["embed_dim"] == 256
    reading = runs["ovsegmentor"].evaluate["readings"]["ovsegmentor"]
    assert (reading["short_side"], reading["background"]) == (448, "threshold=0.9")
    heads = runs["dino"].train
    assert (heads["method"], heads["settings"]["share"]) == ("vit_attention", 0.6)
    assert heads["model"]["image"]["backbone"] == run["model"]["image"]["backbone"]
    done = step(run)
    assert 140e6 < done["parameters"] < 170e6  # ViT-B 86 M, CLIP's text tower 63 M, the decoder
    assert done["mask"] > 0
    assert done["entity"] > 0


def test_groupvit_has_two_stages_of_64_and_8(tmp_path):
    run = resolved("groupvit-cc12m", tmp_path)["groupvit"].train
    assert (run["settings"]["num_groups"], run["settings"]["layers"]) == ((64, 8), (6, 3, 3))
    assert (run["train"]["batch_size"], run["train"]["lr"]) == (4096, 1.6e-3)
    done = step(run)
    assert done["multi_label"] > 0
