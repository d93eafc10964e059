"""The mask teacher on a small model with fresh weights."""

import numpy as np
import pytest
import torch

from ovseg_core import params
from ovseg_core.masks import rle
from ovseg_core.methods.registry import build
from ovseg_core.teachers import registry
from ovseg_core.training.checkpoint import CheckpointError, save_model

IMAGE = {
    "backbone": "conv",
    "weights": None,
    "frozen": True,
    "frozen_norm": False,
    "normalize": "half",
    "levels": [2, 3],
    "components": None,
    "final_map": False,
    "output_stride": 32,
    "options": {},
    "width": 32,
}
TEXT = {"tower": "small", "width": 16, "layers": 1, "start": "random", "weights": None, "frozen": False}
CONFIG = {
    "method": "masks",
    "settings": {"num_regions": 4, "layers": 1, "positions": 8, "quality_weight": 1.0},
    "model": {"image": IMAGE, "text": TEXT, "embed_dim": 16},
    "words": [],
}
GIVEN = {"kind": "mask_model", "threshold": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher")
    model = build("masks", CONFIG["settings"], CONFIG["model"], [])
    save_model(str(path), model.state_dict(), CONFIG)
    return path


def images(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def test_every_mask_comes_at_its_image_size_with_a_score(folder):
    found = registry.load(GIVEN, folder)(images((32, 32), (48, 64), (32, 32)))
    assert [m.masks[0]["size"] for m in found] == [[32, 32], [48, 64], [32, 32]]
    assert all(len(m.masks) == len(m.scores) == 4 for m in found)
    assert all(((m.scores >= 0) & (m.scores <= 1)).all() for m in found)


def test_masks_are_the_models_proposals_above_the_threshold(folder):
    teacher = registry.load(GIVEN, folder)
    (image,) = images((32, 32))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        masks, scores = teacher.model.scored_proposals(pixels)
    full = torch.nn.functional.interpolate(masks, (32, 32), mode="bilinear")[0] > 0.5
    (found,) = teacher([image])
    assert (rle.decode(found.masks) == full.numpy()).all()
    assert found.scores == pytest.approx(scores[0].numpy())
    (wider,) = registry.load({**GIVEN, "threshold": 0.2}, folder)([image])
    assert (rle.area(wider.masks) >= rle.area(found.masks)).all()


def test_an_image_has_the_same_masks_in_any_batch(folder):
    teacher, three = registry.load(GIVEN, folder), images((32, 32), (32, 32), (48, 48))
    alone, together = teacher(three[1:2])[0], teacher(three)[1]
    overlap = np.diag(rle.iou(alone.masks, together.masks))
    assert (overlap[rle.area(alone.masks) > 0] > 0.99).all()


def test_cached_features_replace_the_backbone(folder):
    teacher, given = registry.load(GIVEN, folder), images((32, 32), (32, 32))
    pixels = torch.from_numpy(np.stack(given)).permute(0, 3, 1, 2).float() / 255
    features = teacher.model.image.frozen_maps(pixels)
    blind = [np.zeros_like(image) for image in given]
    assert [m.masks for m in teacher(blind, features)] == [m.masks for m in teacher(given)]


def test_no_images_give_no_masks(folder):
    assert registry.load(GIVEN, folder)([]) == []


def test_wrong_kinds_settings_and_folders_are_refused(folder, tmp_path):
    with pytest.raises(params.ParamError, match="kind is 'sam'; accepted: mask_model"):
        registry.load({"kind": "sam"}, folder)
    with pytest.raises(params.ParamError, match=r"threshold is 1\.0; accepted: between 0 and 1"):
        registry.load({**GIVEN, "threshold": 1.0}, folder)
    with pytest.raises(CheckpointError, match="has no config"):
        registry.load(GIVEN, tmp_path)
    lseg = {**CONFIG, "method": "lseg", "settings": {"temperature": 0.07}}
    save_model(str(tmp_path), build("lseg", lseg["settings"], lseg["model"], []).state_dict(), lseg)
    with pytest.raises(CheckpointError, match="'lseg'; 'masks' is expected"):
        registry.load(GIVEN, tmp_path)
