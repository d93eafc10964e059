"""Panoptic quality beside the published rules of panopticapi, which has no package to install."""

import json
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from made_panoptic import CATEGORIES, made, write
from PIL import Image

from ovseg_core.metrics.pq import panoptic_quality

REAL = os.environ.get("OVSEG_REALDATA")


def ids_of(path):
    red, green, blue = np.moveaxis(np.asarray(Image.open(path).convert("RGB")).astype(np.int64), -1, 0)
    return red + 256 * green + 65536 * blue


def published(truth, predictions, truth_folder, prediction_folder):
    """Kirillov et al., Sec. 4.1 and 4.2, with COCO's rule for crowds; exact fractions."""
    iou_sum, counts = Counter(), Counter()
    guesses = {entry["image_id"]: entry for entry in predictions["annotations"]}
    for entry in truth["annotations"]:
        guess = guesses[entry["image_id"]]
        true_ids, ids = (
            ids_of(truth_folder / entry["file_name"]),
            ids_of(prediction_folder / guess["file_name"]),
        )
        true_segments = {segment["id"]: segment for segment in entry["segments_info"]}
        segments = {segment["id"]: segment["category_id"] for segment in guess["segments_info"]}
        void = ~np.isin(true_ids, list(true_segments))
        matched = set()
        for key, segment in true_segments.items():
            if segment["iscrowd"]:
                continue
            hit = None
            for other, name in segments.items():
                shared = int(((true_ids == key) & (ids == other)).sum())
                union = int((((true_ids == key) | (ids == other)) & ~(void & (ids == other))).sum())
                if name == segment["category_id"] and 2 * shared > union:
                    hit = other, Fraction(shared, union)
            if hit:
                matched.add(hit[0])
                iou_sum[segment["category_id"]] += hit[1]
            counts[segment["category_id"], "tp" if hit else "fn"] += 1
        for other in segments.keys() - matched:
            # of several crowds of a class panopticapi knows the last one only
            crowd = [
                key
                for key, s in true_segments.items()
                if s["iscrowd"] and s["category_id"] == segments[other]
            ][-1:]
            outside = int(((ids == other) & (void | np.isin(true_ids, crowd))).sum())
            if 2 * outside <= int((ids == other).sum()):
                counts[segments[other], "fp"] += 1
    found = {}
    for category in truth["categories"]:
        tp, fp, fn = (counts[category["id"], kind] for kind in ("tp", "fp", "fn"))
        if tp + fp + fn:
            half = tp + Fraction(fp + fn, 2)
            found[category["id"]] = (
                iou_sum[category["id"]] / half,
                iou_sum[category["id"]] / max(tp, 1),
                tp / half,
            )
    return found


def means(found, categories, isthing=(0, 1)):
    kept = [
        found[entry["id"]] for entry in categories if entry["id"] in found and entry["isthing"] in isthing
    ]
    return [float(sum(column) / len(kept)) for column in zip(*kept, strict=True)]


@pytest.mark.parametrize(("seed", "crowds"), [(0, False), (1, True), (2, True)])
def test_agrees_with_the_published_rules(tmp_path, seed, crowds):
    truth, predictions = made(tmp_path, seed, images=25, crowds=crowds)
    folders = tmp_path / "truth", tmp_path / "predictions"
    found = panoptic_quality(truth, predictions, *folders)
    expected = published(truth, predictions, *folders)
    for suffix, kinds in (("", (0, 1)), ("_thing", (1,)), ("_stuff", (0,))):
        numbers = [found[name + suffix] for name in ("pq", "sq", "rq")]
        assert numbers == pytest.approx(means(expected, CATEGORIES, kinds), abs=1e-12)
    assert found["per_class"] == pytest.approx({key: float(value[0]) for key, value in expected.items()})
    assert 0.1 < found["pq"] < 0.9


def scene(tmp_path, truth, guess, infos, guess_infos):
    """Two maps of 1 x 10 pixels, scored."""
    true_json = write(tmp_path / "truth", {1: (np.array([truth]), infos)})
    json_ = write(tmp_path / "predictions", {1: (np.array([guess]), guess_infos)})
    return panoptic_quality(true_json, json_, tmp_path / "truth", tmp_path / "predictions")


def test_a_value_worked_out_by_hand(tmp_path):
    infos = {5: {"category_id": 1, "iscrowd": 0}, 6: {"category_id": 22, "iscrowd": 0}}
    guesses = {1: {"category_id": 1}, 2: {"category_id": 22}, 3: {"category_id": 1}}
    found = scene(tmp_path, [5, 5, 5, 5, 6, 6, 6, 6, 0, 0], [1, 1, 1, 3, 2, 2, 3, 3, 1, 1], infos, guesses)
    # class 1: segment 1 has 3 of 4 pixels (its two void ones aside), a match of 3/4; segment 3 is false
    # class 22: 2 of 4 pixels is not above one half: a miss and a false one
    assert found["per_class"] == pytest.approx({1: 0.75 / 1.5, 22: 0.0})
    assert [found["pq"], found["pq_thing"], found["pq_stuff"]] == pytest.approx([0.25, 0.5, 0.0])
    assert [found["sq_thing"], found["rq_thing"]] == pytest.approx([0.75, 1 / 1.5])


def test_what_lies_mostly_in_void_or_a_crowd_of_its_class_is_not_false(tmp_path):
    infos = {5: {"category_id": 1, "iscrowd": 0}, 6: {"category_id": 1, "iscrowd": 1}}
    guesses = {1: {"category_id": 1}, 2: {"category_id": 1}}
    found = scene(tmp_path, [5, 5, 5, 5, 6, 6, 6, 0, 0, 0], [1, 1, 1, 1, 2, 2, 2, 2, 2, 2], infos, guesses)
    assert found["per_class"] == {1: 1.0}
    assert np.isnan(found["pq_stuff"])


@pytest.mark.skipif(not REAL, reason="OVSEG_REALDATA names no folder of real samples")
def test_agrees_on_coco(tmp_path):
    folder = Path(str(REAL)) / "coco_panoptic_train100/panoptic_segmentation/annotations"
    truth = json.loads((folder / "panoptic_train2017.json").read_text())
    truth["annotations"] = truth["annotations"][:30]
    rng = np.random.default_rng(0)
    predictions = {"annotations": []}
    for entry in truth["annotations"]:
        ids = np.roll(
            ids_of(folder / "panoptic_train2017" / entry["file_name"]), rng.integers(-40, 40, 2), (0, 1)
        )
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
        Image.fromarray(colours).save(tmp_path / entry["file_name"])
        segments = [
            {"id": s["id"], "category_id": s["category_id"]}
            for s in entry["segments_info"]
            if (ids == s["id"]).any()
        ]
        predictions["annotations"].append({**entry, "segments_info": segments})
    found = panoptic_quality(truth, predictions, folder / "panoptic_train2017", tmp_path)
    expected = published(truth, predictions, folder / "panoptic_train2017", tmp_path)
    assert [found[name] for name in ("pq", "sq", "rq")] == pytest.approx(means(expected, truth["categories"]))
