"""`sseg-cc12m` and `sseg-26m` resolve to Table 1 of S-Seg's supplement and take one step at full size."""

import copy

import pytest
import torch
from test_grouping_recipes import resolved

from ovseg_core import params
from ovseg_core.methods.registry import build
from ovseg_core.records import Batch
from ovseg_core.teachers.settings import settings_of
from pipelines import recipe


def step(run):
    """One update on two images in full size with three masks each, towers at random: (model, losses)."""
    run = copy.deepcopy(run)
    run["model"]["image"]["weights"] = run["model"]["text"]["weights"] = None
    torch.manual_seed(0)
    model = build(run["method"], run["settings"], run["model"], ["dog", "run"])
    side = run["data"]["size"] // run["data"]["mask_stride"]
    masks = torch.zeros(2, 3, side, side, dtype=torch.bool)
    for number in range(3):
        masks[:, number, :, number::3] = True
    batch = Batch(
        keys=["a", "b"],
        images=torch.rand(2, 3, run["data"]["size"], run["data"]["size"]),
        captions=["a dog runs", "grass"],
        words=[["dog", "run"], ["grass"]],
        masks=masks,
        num_masks=torch.tensor([3, 2]),
        labels=torch.full((2, 3), -1),
        nouns=[["dog", "run"], []],
    )
    losses = model(batch)
    sum(losses.values()).backward()
    assert all(
        torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.requires_grad
    )
    return model, {name: value.item() for name, value in losses.items()}


@pytest.mark.parametrize(("name", "pairs"), [("sseg-cc12m", 10e6), ("sseg-26m", 26e6)])
def test_the_numbers_of_table_1(name, pairs, tmp_path):
    runs = resolved(name, tmp_path)
    assert "teacher" not in runs  # no mask of a human is learnt from
    run = runs["sseg"].train
    train, data = run["train"], run["data"]
    assert (train["batch_size"], train["lr"], train["weight_decay"]) == (4096, 5e-4, 0.05)
    epoch = pairs / train["batch_size"]
    assert train["steps"] / epoch == pytest.approx(30, rel=0.02)
    assert train["warmup_steps"] / epoch == pytest.approx(2, rel=0.02)
    assert (data["size"], data["labelled"], data["pseudo"]) == (224, 0.0, "clusters")
    assert runs["sseg"].evaluate["readings"]["sseg"]["short_side"] == 448
    clusters = settings_of(params.read(recipe.find(name))["teachers"]["clusters"])
    assert clusters.features.endswith(".dino")
    assert clusters.clusters == 8


def test_a_step_at_full_size(tmp_path):
    run = resolved("sseg-cc12m", tmp_path)["sseg"].train
    model, losses = step(run)
    assert set(losses) == {"mask", "contrastive", "multi_label"}
    assert model.proposals(torch.rand(1, 3, 64, 96)).shape == (1, 64, 16, 24)
