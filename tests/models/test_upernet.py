"""UperNet's head, the maps of a plain vision transformer for it, and the rates of its layers."""

import math

import pytest
import shipped
import torch
from test_group_encoder import VIT, image_settings
from training_sections import tiny_model, train_settings

from ovseg_core.losses.pixels import UNKNOWN, known_cross_entropy
from ovseg_core.methods.registry import build
from ovseg_core.models.upernet import UperNetHead, ViTPyramid
from ovseg_core.params import ParamError
from ovseg_core.training.optimiser import build_optimiser, learning_rate

OWN = {"layers": [1, 2, 3, 4], "pools": [1, 2]}


def upernet(image=VIT, **change):
    torch.manual_seed(0)
    model = {**tiny_model(), "image": image}
    return build("upernet", {**OWN, **change}, model, ["sky", "dog"])


def test_the_head_keeps_the_size_of_the_finest_map():
    torch.manual_seed(0)
    head = UperNetHead([8, 12, 16], 32, [1, 2, 3]).eval()
    maps = [torch.rand(2, 8, 16, 12), torch.rand(2, 12, 8, 6), torch.rand(2, 16, 4, 3)]
    assert head(maps).shape == (2, 32, 16, 12)
    changed = [maps[0], maps[1], maps[2].clone()]
    changed[2][:, :, 0, 0] += 5  # a corner of the coarsest level: pooling carries it everywhere
    assert (head(changed) != head(maps)).any(1).all()  # in some of the channels


def test_a_vision_transformer_has_levels_at_a_quarter_to_twice_its_patch():
    pyramid = ViTPyramid(image_settings(), [1, 2, 3, 4]).eval()
    maps = pyramid.maps(torch.rand(2, 3, 32, 48))  # patches of 8: 4 x 6
    assert [tuple(level.shape) for level in maps] == [
        (2, 32, 16, 24), (2, 32, 8, 12), (2, 32, 4, 6), (2, 32, 2, 3),
    ]  # fmt: skip
    assert pyramid.maps(torch.rand(1, 3, 30, 31))[2].shape == (1, 32, 4, 4)  # brought to whole patches


def test_the_third_level_is_what_timm_gives_at_the_trained_size():
    pyramid = ViTPyramid(image_settings(), [1, 2, 3, 4]).eval()
    images = torch.rand(2, 3, 32, 32)
    seen = {}
    pyramid.vit.blocks[2].register_forward_hook(lambda module, given, found: seen.update(tokens=found))
    with torch.no_grad():
        third = pyramid.maps(images)[2]
    torch.testing.assert_close(third, seen["tokens"][:, 1:].transpose(1, 2).unflatten(2, (4, 4)))


def test_rates_fall_from_layer_to_layer():
    model = upernet()
    optimiser = build_optimiser(model, train_settings(layer_decay=0.5, lr=1.0))
    scale = {id(p): group["lr_scale"] for group in optimiser.param_groups for p in group["params"]}
    assert len(scale) == len(list(model.parameters()))
    vit = model.image.vit
    assert scale[id(vit.pos_embed)] == 0.5**5  # four layers, and what comes before them
    assert scale[id(vit.blocks[0].attn.qkv.weight)] == 0.5**4
    assert scale[id(vit.blocks[3].mlp.fc1.bias)] == 0.5
    assert scale[id(model.head.bottleneck[0].weight)] == 1
    assert scale[id(model.image.scale[1].weight)] == 1
    with pytest.raises(ParamError, match=r"train\.layer_decay is 0\.5; accepted: null for this method"):
        build_optimiser(upernet(tiny_model()["image"]), train_settings(layer_decay=0.5))


def test_the_rate_falls_in_a_line():
    settings = train_settings(schedule="poly", lr=1.0, steps=12, warmup_steps=2)
    assert [learning_rate(step, settings) for step in (0, 1, 2, 7, 12)] == [0.5, 1.0, 1.0, 0.5, 0.0]


def test_cross_entropy_of_known_locations_by_hand():
    shares = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.2, 0.8], [0.9, 0.1]])
    logits = shares.log().T[None, :, None].requires_grad_()  # (1, 2, 1, 4)
    found = known_cross_entropy(logits, torch.tensor([[[0, 1, 1, UNKNOWN]]]))
    assert found.item() == pytest.approx(-math.log(0.5 * 0.75 * 0.8) / 3, rel=1e-5)
    nothing = known_cross_entropy(logits, torch.full((1, 1, 4), UNKNOWN))
    assert nothing == 0
    nothing.backward()
    assert (logits.grad == 0).all()


def test_it_answers_by_name_for_the_classes_it_knows():
    model = upernet().eval()
    assert model.embed_text(["dog", "whale", "sky"]).tolist() == [[0, 1], [0, 0], [1, 0]]
    with pytest.raises(ParamError, match=r"knows 2 classes by name, such as \['sky', 'dog'\], and none of"):
        model.embed_text(["a photo of a dog"])
    images = torch.rand(1, 3, 32, 32)
    scores = model.score_maps(images, model.embed_text(["dog", "sky"]))
    torch.testing.assert_close(scores.sum(1), torch.ones(1, 16, 16))
    whole = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    means = model.score_maps(images, model.embed_text(["dog", "sky"]), whole)
    torch.testing.assert_close(means, scores.mean((2, 3), keepdim=True).expand(-1, -1, 32, 32))


def test_layers_that_there_are_not_are_refused():
    with pytest.raises(
        ParamError, match=r"methods\.upernet\.layers is \[1, 2, 3, 9\]; accepted: four rising"
    ):
        upernet(layers=[1, 2, 3, 9])
    with pytest.raises(ParamError, match=r"methods\.upernet\.pools is \(0,\)"):
        upernet(pools=[0])
    assert shipped.DEFAULT["methods"]["upernet"]["layers"] == [4, 6, 8, 12]
