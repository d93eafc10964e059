"""Backbones, pyramid, normalisation, frozen maps."""

import pytest
import torch
from safetensors.torch import save_file

from ovseg_core import params
from ovseg_core.models.fpn import FPN, Head
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.settings import ImageSettings

CONV = {
    "backbone": "conv",
    "weights": None,
    "frozen": False,
    "frozen_norm": False,
    "normalize": "half",
    "levels": [2, 3, 4, 5],
    "components": None,
    "final_map": False,
    "output_stride": 32,
    "options": {},
    "width": 16,
}
TIMM = {**CONV, "backbone": "timm:mobilenetv2_035", "frozen_norm": True}


def tower(**change):
    torch.manual_seed(0)
    given = {**(TIMM if change.pop("timm", False) else CONV), **change}
    return ImageTower(params.build(given, "model.image", ImageSettings))


def test_the_conv_backbone_gives_every_level_at_its_stride():
    built = tower()
    maps = built.maps(torch.rand(2, 3, 64, 96))
    assert [tuple(level.shape[2:]) for level in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert built(maps).shape == (2, 16, 16, 24)


def test_in_evaluation_nothing_depends_on_the_rest_of_the_batch():
    built, images = tower().eval(), torch.rand(3, 3, 32, 32)
    together, alone = built(built.maps(images))[:1], built(built.maps(images[:1]))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_pixels_are_normalised_as_asked():
    images = torch.tensor([0.0, 0.5, 1.0])[None, :, None, None].expand(1, 3, 32, 32)
    seen = []
    built = tower().eval()
    built.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    built.maps(images)
    assert seen[0][0, :, 0, 0].tolist() == [-1, 0, 1]  # x / 127.5 - 1 of bytes


def test_the_pyramid_sums_what_every_level_says():
    pyramid = FPN([1, 1], 1)
    with torch.no_grad():
        for conv in (*pyramid.lateral, *pyramid.smooth):
            conv.weight.zero_()
            conv.weight[0, 0, conv.weight.shape[2] // 2, conv.weight.shape[3] // 2] = 1  # identity
            conv.bias.zero_()
    fine, coarse = torch.ones(1, 1, 4, 4), torch.full((1, 1, 2, 2), 10.0)
    # the coarse level says 10; the fine one 1 plus the 10 from above; their sum is 21
    assert torch.equal(pyramid([fine, coarse]), torch.full((1, 1, 4, 4), 21.0))


def test_the_head_has_an_fc_layer_and_three_convolutions():
    kinds = [m.kernel_size for m in Head(8, 16, 4).modules() if isinstance(m, torch.nn.Conv2d)]
    assert kinds == [(1, 1), (3, 3), (3, 3), (3, 3)]
    assert Head(8, 16, 4)(torch.rand(1, 8, 5, 5)).shape == (1, 4, 5, 5)


def test_timm_levels_strides_and_dilation():
    built = tower(timm=True, levels=[3, 4, 5], output_stride=16)
    maps = built.maps(torch.rand(1, 3, 64, 64))
    assert [level.shape[-1] for level in maps] == [8, 4, 4]
    with pytest.raises(params.ParamError, match=r"model\.image\.levels has 1.*stride \[4"):
        tower(backbone="timm:convnext_atto", levels=[1, 2])


def test_the_final_map_is_what_the_classifier_pools():
    built = tower(timm=True, levels=[3, 5], output_stride=16, final_map=True).eval()
    images = torch.rand(1, 3, 64, 64)
    fine, final = built.maps(images)
    assert (fine.shape[1:], final.shape[1:]) == ((16, 8, 8), (1280, 4, 4))
    whole = built.backbone.model
    torch.testing.assert_close(final, whole.forward_features(built.normalised(images)))
    assert built(built.maps(images)).shape == (1, 16, 8, 8)
    with pytest.raises(params.ParamError, match=r"model\.image\.final_map is True; accepted: false for"):
        tower(final_map=True)


def test_without_a_pyramid_the_last_map_is_all_there_is():
    built = ImageTower(tower(timm=True).settings, pyramid=False).eval()
    maps = built.maps(torch.rand(1, 3, 64, 64))
    assert torch.equal(built([level.half() for level in maps]), maps[-1].half().float())
    assert not any("fpn" in name for name in built.state_dict())


def test_in_evaluation_the_last_images_are_known_again():
    built, seen = tower().eval(), []
    built.backbone.register_forward_hook(lambda *_: seen.append(1))
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert built.maps(images) is built.maps(images)
        built.maps(images.clone())
        assert len(seen) == 2
        built.train()
        assert built.maps(images) is not built.maps(images)  # weights move
        built.eval().maps(images)
    assert len(seen) == 5
    assert built.maps(images)[0].requires_grad


def test_a_frozen_backbone_keeps_its_weights_and_statistics():
    built = tower(timm=True, frozen=True, frozen_norm=False).train()
    before = {name: value.clone() for name, value in built.backbone.state_dict().items()}
    images = torch.rand(2, 3, 64, 64)
    built(built.maps(images)).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in built.backbone.state_dict().items())
    assert all(p.grad is None for p in built.backbone.parameters())
    assert built.fpn.lateral[0].weight.grad is not None


def test_frozen_norm_trains_weights_with_fixed_statistics():
    built = tower(timm=True).train()
    statistics = {k: v.clone() for k, v in built.backbone.state_dict().items() if "running" in k}
    built(built.maps(torch.rand(2, 3, 64, 64))).sum().backward()
    assert all(torch.equal(v, built.backbone.state_dict()[k]) for k, v in statistics.items())
    assert any(p.grad is not None for p in built.backbone.parameters())


def test_cached_maps_in_half_precision_stand_in_for_images():
    built = tower(timm=True, frozen=True)
    images = torch.rand(2, 3, 64, 64)
    cached = [level.half() for level in built.frozen_maps(images)]
    torch.testing.assert_close(built(cached), built(built.maps(images)), rtol=2e-2, atol=2e-2)
    with pytest.raises(ValueError, match=r"model\.image\.frozen is False"):
        tower().frozen_maps(images)


def test_weights_come_from_a_file_that_may_hold_more(tmp_path):
    source = tower(timm=True)
    tensors = {f"{name}": value + 1 for name, value in source.backbone.state_dict().items()}
    save_file({**tensors, "classifier.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    loaded = tower(timm=True, weights=str(tmp_path / "w.safetensors"))
    first = next(iter(tensors))
    assert torch.equal(loaded.backbone.state_dict()[first], tensors[first])


def test_weights_of_another_model_and_broken_files_are_refused(tmp_path):
    save_file({"conv_stem.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(params.ParamError, match=r"model\.image\.weights.*another model"):
        tower(timm=True, weights=str(tmp_path / "other.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"not tensors")
    with pytest.raises(params.ParamError, match="no readable"):
        tower(timm=True, weights=str(tmp_path / "broken.safetensors"))
    with pytest.raises(params.ParamError, match="no such file"):
        tower(timm=True, weights=str(tmp_path / "absent.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "resnet50"}, r"model\.image\.backbone is 'resnet50'; accepted: conv, or timm:<name>"),
        ({"backbone": "timm:resnet5"}, r"timm has no 'resnet5'; near: .*resnet50"),
        ({"weights": "w.pth", "backbone": "timm:resnet18"}, r"model\.image\.weights is 'w\.pth'.*run code"),
        ({"weights": "w.safetensors"}, r"model\.image\.weights is 'w\.safetensors'; accepted: null"),
        ({"levels": [3, 2]}, r"model\.image\.levels is \[3, 2\]; accepted: rising"),
        ({"levels": []}, r"model\.image\.levels is \[\]"),
        ({"output_stride": 16}, r"model\.image\.output_stride is 16; accepted: one of \(32,\)"),
        ({"width": 20}, r"model\.image\.width is 20; accepted: a multiple of 8"),
        ({"normalize": "none"}, r"model\.image\.normalize is 'none'; accepted: imagenet, half"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(change, message):
    with pytest.raises(params.ParamError, match=message):
        tower(**change)
