"""`sseg-cc12m`, `sseg-26m`, `sseg-plus`: Tables 1 and 2 of S-Seg's supplement, and one step at full size."""

import copy

import pytest
import torch
from test_grouping_recipes import resolved

from ovseg_core import params
from ovseg_core.methods.registry import build
from ovseg_core.records import Batch
from ovseg_core.teachers.settings import settings_of
from ovseg_core.training.optimiser import build_optimiser
from ovseg_core.training.settings import TrainSettings
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


@pytest.mark.parametrize(("name", "pairs"), [("sseg-cc12m", 10e6), ("sseg-26m", 26e6), ("sseg-plus", 26e6)])
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


def test_self_training_has_the_numbers_of_table_2(tmp_path):
    runs = resolved("sseg-plus", tmp_path)
    run = runs["sseg-plus"].train
    train = run["train"]
    assert (train["lr"], train["weight_decay"], train["batch_size"]) == (1e-4, 0.05, 16)
    assert (train["schedule"], train["warmup_steps"], train["steps"]) == ("poly", 1500, 20000)
    assert train["layer_decay"] == 0.7
    assert run["settings"]["layers"] == (4, 6, 8, 12)
    assert runs["sseg-plus"].label["label"]["below"] == "background"
    # thresholds on reading: what S-Seg calls background at evaluation is background in its labels
    assert (
        runs["sseg"].evaluate["readings"]["sseg"]["background"]
        == f"threshold={run['data']['min_confidence']}"
    )
    assert runs["sseg-plus"].evaluate["readings"]["sseg-plus"]["background"] == "names=background"


def test_a_step_of_self_training_at_full_size(tmp_path):
    run = copy.deepcopy(resolved("sseg-plus", tmp_path)["sseg-plus"].train)
    run["model"]["image"]["weights"] = None
    words = ["background", *(f"class {number}" for number in range(20))]
    torch.manual_seed(0)
    model = build(run["method"], run["settings"], run["model"], words)
    side = run["data"]["size"]
    masks = torch.zeros(2, 2, side // 4, side // 4, dtype=torch.bool)
    masks[:, 0, :, :40], masks[:, 1, :, 80:] = True, True
    batch = Batch(
        keys=["a", "b"], images=torch.rand(2, 3, side, side), captions=["", ""], words=[[], []], masks=masks,
        num_masks=torch.tensor([2, 2]), labels=torch.tensor([[0, 1], [1, 0]]),
        label_names=["background", "class 7"],
    )  # fmt: skip
    optimiser = build_optimiser(model, params.build(run["train"], "train", TrainSettings))
    loss = model(batch)["pixel"]
    loss.backward()
    optimiser.step()
    assert 2 < loss.item() < 5  # log 21 = 3.04
    rates = {group["lr_scale"] for group in optimiser.param_groups}
    assert min(rates) == pytest.approx(0.7**13)
    assert max(rates) == 1


def test_on_photos_no_human_mask_is_near_it(tmp_path):
    runs = resolved("photos-sseg", tmp_path, recipe.parse_override("web.folder=photos"))
    data = runs["sseg"].train["data"]
    assert (data["labelled"], data["pseudo"]) == (0.0, "clusters")
    clusters = settings_of(params.read(recipe.find("photos-sseg"))["teachers"]["clusters"])
    assert (clusters.features, clusters.reads_model) == ("backbone", False)
    assert runs["sseg"].train["train"]["start"] is None
    models = [runs[name].train["model"] for name in ("sseg", "openseg", "clip_dense")]
    assert models[0] == models[2]
    start = models[1]["text"].pop("start"), models[0]["text"].pop("start")
    assert start == ("regions", "images")
    assert models[0] == models[1]  # nothing else is apart
