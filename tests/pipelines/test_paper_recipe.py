"""`openseg-coco-ln` resolves, builds OpenSeg at the paper's size, and takes one step on two tiny images."""

import copy

import pytest
import shipped
import torch

from ovseg_core.methods.registry import build
from ovseg_core.records import Batch
from pipelines import settings


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    return settings.resolve(shipped.values(tmp_path_factory.mktemp("recipe"), "openseg-coco-ln"))


def test_it_states_the_numbers_of_section_4_1(resolved):
    run = resolved["openseg"].train
    assert run["model"]["image"]["width"] == 640
    assert run["settings"]["num_regions"] == 128
    assert (run["settings"]["kp"], run["settings"]["word_weight"]) == (0.5, 0.0)
    assert (run["train"]["steps"], run["train"]["batch_size"], run["train"]["lr"]) == (60000, 1024, 5e-3)
    assert run["train"]["batch_size"] // run["train"]["workers"] == 16
    assert resolved["openseg-coco"].train["train"]["steps"] == 30000


def test_the_full_size_model_takes_one_step(resolved):
    run = copy.deepcopy(resolved["openseg"].train)
    run["model"]["image"]["weights"] = run["model"]["text"]["weights"] = None  # random: nothing is fetched
    torch.manual_seed(0)
    model = build("openseg", run["settings"], run["model"], ["dog", "grass"])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert 60e6 < sum(parameter.numel() for parameter in trained) < 130e6  # B7 has 64 M, the decoder the rest

    masks = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    masks[:, :, :8] = True
    batch = Batch(
        keys=["a", "b"],
        images=torch.rand(2, 3, 64, 64),
        captions=["a dog", "grass"],
        words=[["dog"], ["grass"]],
        masks=masks,
        num_masks=torch.tensor([1, 1]),
        labels=torch.full((2, 1), -1),
    )
    before = trained[0].detach().clone()
    optimiser = torch.optim.AdamW(trained, lr=1e-3)
    losses = model.losses(batch)
    sum(losses.values()).backward()
    optimiser.step()
    assert all(torch.isfinite(value) for value in losses.values())
    assert not torch.equal(before, trained[0])
