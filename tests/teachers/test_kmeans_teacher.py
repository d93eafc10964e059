"""The clustering teacher on drawn images."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_mask_teacher import IMAGE

from ovseg_core import files, params
from ovseg_core.masks import rle
from ovseg_core.teachers import registry
from ovseg_core.teachers.dense_features import colour, lab

GIVEN = {
    "kind": "kmeans",
    "features": "colour",
    "weights": None,
    "size": 32,
    "window": 2,
    "clusters": 4,
    "feature_scale": 1.0,
    "position_weight": 0.0,
    "merge": 0.1,
    "connected": True,
    "min_area": 0.02,
}


def flag(height=32, width=32):
    """Blue, and in it a red square and a green stripe at the bottom."""
    image = np.full((height, width, 3), (40, 60, 200), np.uint8)
    image[height // 8 : height // 2, width // 8 : width // 2] = (220, 30, 30)
    image[-height // 4 :] = (30, 180, 60)
    return image


def decoded(found):
    return rle.decode(found.masks)


def test_colours_are_the_known_values_of_cie_lab():
    pixels = torch.tensor([[255, 255, 255], [0, 0, 0], [255, 0, 0], [119, 119, 119]], dtype=torch.uint8)
    found = 100 * lab(pixels.T[None, :, None])[0, :, 0].T
    # white, black, sRGB red and mid grey, from the standard's tables
    expected = torch.tensor([[100.0, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [50.03, 0, 0]])
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_deviation_is_that_of_the_box():
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[..., 1::2] = 255  # stripes of a pixel, black and white: L 0 and 1
    found = colour(image, 2)[0]
    torch.testing.assert_close(found[0], torch.full((8, 8), 0.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(found[3], torch.full((8, 8), 0.5), atol=1e-3, rtol=0)


def test_plain_shapes_are_found_at_the_size_of_the_image():
    teacher = registry.load(GIVEN, "")
    (found,) = teacher([flag()])
    masks = decoded(found)
    assert [int(mask.sum()) for mask in masks] == [32 * 32 - 8 * 32 - 144, 256, 144]  # the largest first
    assert (masks.sum(0) == 1).all()
    assert masks[2, 4:16, 4:16].all()
    assert (found.scores > 0.9).all()
    sizes = [mask["size"] for maskset in teacher([flag(48, 64), flag(100, 40)]) for mask in maskset.masks]
    assert {tuple(size) for size in sizes} == {(48, 64), (100, 40)}


def test_an_image_of_one_colour_is_one_mask():
    (found,) = registry.load(GIVEN, "")([np.full((20, 30, 3), 99, np.uint8)])
    assert decoded(found).tolist() == np.ones((1, 20, 30), bool).tolist()
    assert found.scores.tolist() == [1.0]


def test_near_colours_are_one_mask():
    image = np.full((32, 32, 3), (120, 120, 120), np.uint8)
    image[:, 16:] = (126, 126, 126)  # 2 of 100 in L
    near, far = ({**GIVEN, "clusters": 2, "merge": merge} for merge in (0.1, 0.01))
    assert len(registry.load(near, "")([image])[0].masks) == 1
    assert len(registry.load(far, "")([image])[0].masks) == 2


def test_pieces_of_a_colour_are_apart_where_asked():
    image = np.full((32, 32, 3), (40, 60, 200), np.uint8)
    image[4:12, 4:12] = image[20:28, 20:28] = (220, 30, 30)
    (apart,) = registry.load(GIVEN, "")([image])
    (joined,) = registry.load({**GIVEN, "connected": False}, "")([image])
    assert [int(mask.sum()) for mask in decoded(apart)] == [896, 64, 64]
    assert [int(mask.sum()) for mask in decoded(joined)] == [896, 128]
    (large,) = registry.load({**GIVEN, "min_area": 0.1}, "")([image])
    assert len(large.masks) == 1


def test_an_image_has_the_same_masks_in_any_batch():
    teacher = registry.load({**GIVEN, "position_weight": 0.5}, "")
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    alone, together = teacher([noise[1]])[0], teacher([*noise, flag(48, 48)])[1]
    assert alone.masks == together.masks
    assert alone.scores == pytest.approx(together.scores, abs=1e-6)
    assert teacher([]) == []


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "timm:mobilenetv2_050"])
def test_features_of_any_timm_model(name):
    given = {**GIVEN, "features": name, "size": 64, "clusters": 2, "merge": 0.0}
    first, again = registry.load(given, ""), registry.load(given, "")
    (masks,), (same,) = first([flag()]), again([flag()])
    assert masks.masks == same.masks  # random weights, but the same ones
    assert decoded(masks).sum(0).tolist() == np.ones((32, 32)).tolist()


def test_a_frozen_backbone_and_its_cached_maps(tmp_path):
    torch.manual_seed(0)
    image = {**IMAGE, "components": 5}
    found = {"basis": torch.randn(96, 5), "bias": torch.randn(5)}
    save_file(found, files.join(tmp_path, "components.safetensors"))
    given = {**GIVEN, "features": "backbone", "clusters": 2, "merge": 0.0}
    teacher = registry.load(given, "", "cpu", image, tmp_path)
    pixels = torch.from_numpy(flag()).permute(2, 0, 1)[None].float() / 255
    maps = teacher.features.tower.frozen_maps(pixels)
    assert maps[-1].shape == (1, 5, 4, 4)
    (from_image,), (from_maps,) = teacher([flag()]), teacher([np.zeros((32, 32, 3), np.uint8)], maps)
    assert from_image.masks == from_maps.masks


def test_what_cannot_be_clustered_is_refused(tmp_path):
    def refused(message, **change):
        with pytest.raises(params.ParamError, match=message):
            registry.load({**GIVEN, **change}, "", "cpu", {**IMAGE, "frozen": False}, tmp_path)([flag()])

    refused(r"clusters is 300; accepted: at most 256", clusters=300)
    refused(
        r"clusters is 9; accepted: at most 4, the 2x2 locations",
        features="timm:vit_tiny_patch16_224",
        clusters=9,
    )
    refused(r"model.image.frozen is False", features="backbone")
    refused(r"features is 'sift'; accepted: colour, backbone", features="sift")
    refused(r"timm has no 'dyno'", features="timm:dyno")
    refused(r"weights is 'dino.pth'; accepted", features="timm:vit_tiny_patch16_224", weights="dino.pth")
    refused(r"weights is 'x.safetensors'; accepted: null", weights="x.safetensors")
    refused(r"window is 3; accepted: an even number", window=3)
    refused(r"min_area is 1\.0; accepted", min_area=1.0)
