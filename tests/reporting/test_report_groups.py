"""Groups and entity pairs of a run, drawn from what its training left."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ovseg_core.reporting import groups
from ovseg_core.reporting.sources import Sources
from ovseg_core.training.checkpoint import pack


def pixels(uri: str) -> np.ndarray:
    content = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


@pytest.fixture
def tensors():
    """Two images of two groups, left and right; the entity's mask covers the left half, or nothing."""
    half = torch.zeros(2, 4, 4, dtype=torch.uint8)
    half[:, :, :2] = 1
    images = torch.full((2, 3, 16, 16), 200, dtype=torch.uint8)
    return {"images": images, "groups": half, "own": 255 * half, "cross": 0 * half}


def drawn(tmp_path, tensors, shared):
    note = {"keys": ["000000000", "000000001"], "captions": ["a <b>", "two"], "shared": shared}
    return groups.gallery(Sources(str(tmp_path)), "a", 0, pack(tensors, note))


def test_groups_have_a_colour_each_and_masks_light_up_their_image(tmp_path, tensors):
    shown = drawn(tmp_path, tensors, ["fish", "fish"])
    assert [strip.title for strip in shown.strips] == ["pair: fish", "pair: fish"]
    assert shown.strips[0].words == ["pair: fish"]
    assert [tile.label for tile in shown.strips[0].tiles][:2] == ["image", "groups"]
    image, colours, own, cross = (pixels(tile.uri) for tile in shown.strips[0].tiles)
    assert np.abs(image - 200).max() <= 2
    assert np.abs(colours[80, 20] - colours[80, 140]).max() > 40  # left and right
    assert np.abs(own[80, 20] - 200).max() <= 3  # probability 1: as bright as the image
    assert np.abs(own[80, 140] - 40).max() <= 3  # 0: a fifth of it
    assert np.abs(cross - 40).max() <= 3
    assert "share an entity" in shown.caption


def test_a_run_without_pairs_shows_groups_alone(tmp_path, tensors):
    shown = drawn(tmp_path, {name: tensors[name] for name in ("images", "groups")}, [])
    assert shown.columns == 2
    assert "share an entity" not in shown.caption


def test_images_of_cached_maps_are_looked_up_and_missing_ones_left_out(tmp_path, tensors):
    assert drawn(tmp_path, {"groups": tensors["groups"]}, []).strips == []
