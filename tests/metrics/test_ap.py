"""AP beside pycocotools and lvis-api: the same numbers on images with crowds, ties, empty images."""

import copy
import io
import json
import logging
import os
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from lvis import LVIS, LVISEval, LVISResults
from made_detections import made, only
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ovseg_core.benchmarks.coco_masks import decode
from ovseg_core.masks import rle
from ovseg_core.metrics.ap import average_precision, best_per_class

REAL = os.environ.get("OVSEG_REALDATA")  # a folder with coco_eval/ and lvis/
real = pytest.mark.skipif(not REAL, reason="OVSEG_REALDATA names no folder of real samples")
COCO_STATS = [
    "ap",
    "ap50",
    "ap75",
    "aps",
    "apm",
    "apl",
    "ar1",
    "ar10",
    "ar100",
    "ars",
    "arm",
    "arl",
]  # in its order


def pycocotools(truth, predictions, iou_type):
    """Its twelve numbers; -1, where there is no truth, as NaN."""
    with redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = copy.deepcopy(truth)  # it writes into what it is given
        known.createIndex()
        scorer = COCOeval(known, known.loadRes(copy.deepcopy(predictions)), iou_type)
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return dict(zip(COCO_STATS, np.where(scorer.stats < 0, np.nan, scorer.stats), strict=True))


def lvis_api(tmp_path, truth, predictions, iou_type, max_dets=300):
    """lvis-api 0.5.3, whose `np.float` NumPy no longer has (the fixture gives it back)."""
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    known = LVIS(str(path))
    scorer = LVISEval(known, LVISResults(known, copy.deepcopy(predictions), max_dets=max_dets), iou_type)
    scorer.run()
    numbers = {name.lower().replace("@300", ""): value for name, value in scorer.get_results().items()}
    numbers["ar300"] = numbers.pop("ar")
    return {name: np.nan if value < 0 else value for name, value in numbers.items()}


@pytest.fixture
def _numpy_of_lvis_api(monkeypatch):
    monkeypatch.setattr(np, "float", float, raising=False)
    monkeypatch.setattr(logging.getLogger("lvis"), "disabled", True)


def assert_same(found, expected):
    found = {name: value for name, value in found.items() if name != "per_class"}
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def thousand():
    return made(seed=0, images=1000)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_agrees_with_pycocotools_on_a_thousand_images(thousand, iou_type):
    truth, predictions = thousand
    rows = only(predictions, iou_type)
    found = average_precision(truth, rows, iou_type)
    assert_same(found, pycocotools(truth, rows, iou_type))
    assert 0.05 < found["ap"] < 0.95


def test_with_boxes_and_masks_areas_are_those_of_the_boxes():
    truth, predictions = made(seed=5, images=60)
    predictions = [row | {"bbox": [0.0, 0.0, 60.0, 60.0]} for row in predictions]
    found = average_precision(truth, predictions, "segm")
    assert_same(found, pycocotools(truth, predictions, "segm"))
    assert found["aps"] != average_precision(truth, only(predictions, "segm"), "segm")["aps"]


def test_agrees_with_pycocotools_above_a_hundred_detections_of_an_image():
    truth, predictions = made(seed=1, images=20, classes=1)
    rows = only(predictions, "bbox")
    many = [row | {"score": row["score"] / repeat} for repeat in range(1, 40) for row in rows]
    assert_same(average_precision(truth, many, "bbox"), pycocotools(truth, many, "bbox"))


@pytest.mark.usefixtures("_numpy_of_lvis_api")
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_agrees_with_lvis_api(tmp_path, iou_type):
    truth, predictions = made(seed=2, images=150, classes=24, lvis=True)
    rows = only(predictions, iou_type)
    expected = lvis_api(tmp_path, truth, rows, iou_type)
    assert_same(average_precision(truth, rows, iou_type, "lvis"), expected)
    assert 0 < expected["apr"] != expected["apf"]


@pytest.mark.usefixtures("_numpy_of_lvis_api")
def test_lvis_counts_300_detections_of_an_image_and_fixed_ap_all_of_them(tmp_path):
    truth, predictions = made(seed=3, images=4, classes=3, lvis=True)
    rows = only(predictions, "bbox")
    wrong = [row | {"bbox": [0.0, 0.0, 1.0, 1.0], "score": 1.0} for _ in range(35) for row in rows]
    many = [*wrong, *rows]  # per image hundreds of false ones before the first that may hit
    assert max(sum(row["image_id"] == image for row in wrong) for image in range(1, 5)) > 300
    capped, fixed = (average_precision(truth, many, "bbox", protocol) for protocol in ("lvis", "lvis-fixed"))
    assert_same(capped, lvis_api(tmp_path, truth, many, "bbox"))
    assert_same(fixed, lvis_api(tmp_path, truth, many, "bbox", max_dets=-1))
    assert capped["ap"] != pytest.approx(fixed["ap"])


@pytest.mark.usefixtures("_numpy_of_lvis_api")
def test_fixed_ap_takes_10000_detections_of_a_class_over_the_data_set(tmp_path):
    """As Dave et al. publish it: per class the 10,000 best of all images, then lvis-api without a limit."""
    truth, predictions = made(seed=4, images=12, classes=2, lvis=True)
    rng = np.random.default_rng(0)
    rows = only(predictions, "bbox")
    noise = [rows[0] | {"image_id": int(rng.integers(1, 13)), "score": 0.55} for _ in range(11_000)]
    mixed = [*rows, *noise]
    by_class: dict[int, list] = {}
    for row in mixed:
        by_class.setdefault(row["category_id"], []).append(row)
    published = [
        row
        for of_class in by_class.values()
        for row in sorted(of_class, key=lambda r: r["score"], reverse=True)[:10_000]
    ]
    assert len(published) < len(mixed)
    expected = lvis_api(tmp_path, truth, published, "bbox", max_dets=-1)
    assert_same(average_precision(truth, mixed, "bbox", "lvis-fixed"), expected)
    uncapped = lvis_api(tmp_path, truth, mixed, "bbox", max_dets=-1)
    assert uncapped["ap"] != pytest.approx(expected["ap"])


def test_the_best_of_a_class_are_kept_in_their_order_and_the_first_of_equals():
    scores = {1: [0.1, 0.9, 0.5, 0.9, 0.5], 2: [0.2]}
    rows = [
        {"category_id": name, "score": score, "at": i}
        for name in scores
        for i, score in enumerate(scores[name])
    ]
    assert [(row["category_id"], row["at"]) for row in best_per_class(rows, 3)] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 0),
    ]
    assert best_per_class([]) == []


def test_a_value_worked_out_by_hand():
    """Two cats; the first detection hits one, the second nothing, the third the other one."""
    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": [x, 0, 10, 10], "area": 100, "iscrowd": 0}
            for n, x in ((1, 0), (2, 50))
        ],
    }
    boxes = [([0, 0, 10, 10], 0.9), ([80, 80, 10, 10], 0.8), ([50, 0, 10, 10], 0.7)]
    rows = [{"image_id": 1, "category_id": 1, "bbox": where, "score": score} for where, score in boxes]
    found = average_precision(truth, rows, "bbox")
    # precision 1 up to recall 1/2 (51 of 101 points), 2/3 beyond (50 of them), at every threshold
    assert [found["ap"], found["ap50"]] == pytest.approx([(51 + 50 * 2 / 3) / 101] * 2)
    assert found["per_class"][1] == pytest.approx(found["ap"])
    assert np.isnan(found["per_class"][2])  # no dog to find: it is in no mean
    assert np.isnan(found["apl"])


def test_an_annotation_of_id_0_is_one_like_any_other():
    """pycocotools keeps the id of the match and reads 0 as none: the detection that hits it is false."""
    truth = {
        "info": {},
        "images": [{"id": 1, "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": [40 * n, 0, 10, 10], "area": 100, "iscrowd": 0}
            for n in (0, 1)
        ],
    }
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": [x, 0.0, 10.0, 10.0], "score": score}
        for x, score in ((0.0, 0.9), (40.0, 0.8))
    ]
    assert average_precision(truth, rows, "bbox")["ap"] == pytest.approx(1)
    # the first detection false, the second right: precision 1/2 up to recall 1/2
    assert pycocotools(truth, rows, "bbox")["ap"] == pytest.approx(51 / 101 / 2)


def test_the_mean_over_classes_is_ap(thousand):
    found = average_precision(*thousand, "bbox")
    assert np.nanmean(list(found["per_class"].values())) == pytest.approx(found["ap"])
    assert list(found["per_class"])[:2] == [1, 4]


def test_an_unknown_protocol_is_refused(thousand):
    with pytest.raises(ValueError, match="'voc' with 'bbox'; known are coco, lvis, lvis-fixed"):
        average_precision(*thousand, "bbox", "voc")


@real
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_agrees_with_pycocotools_on_coco(iou_type):
    folder = Path(str(REAL)) / "coco_eval"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    predictions = json.loads((folder / f"instances_val2014_fake{iou_type}100_results.json").read_text())
    found = average_precision(truth, predictions, iou_type)
    assert_same(found, pycocotools(truth, predictions, iou_type))
    assert found["ap"] == pytest.approx({"bbox": 0.504581, "segm": 0.319545}[iou_type], abs=1e-6)


@real
@pytest.mark.usefixtures("_numpy_of_lvis_api")
@pytest.mark.parametrize(
    ("protocol", "limit", "iou_type"),
    [("lvis", 300, "bbox"), ("lvis-fixed", -1, "bbox"), ("lvis", 300, "segm"), ("lvis-fixed", -1, "segm")],
)
def test_agrees_with_lvis_api_on_lvis(tmp_path, protocol, limit, iou_type):
    truth = json.loads((Path(str(REAL)) / "lvis/lvis_val_100.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    rng = np.random.default_rng(0)
    rows = []
    for entry in truth["annotations"] * (3 if iou_type == "bbox" else 1):
        row = {"image_id": entry["image_id"], "category_id": entry["category_id"]}
        if iou_type == "bbox":
            x, y, width, height = entry["bbox"] + rng.normal(0, 3, 4)
            row["bbox"] = [x, y, max(1.0, width), max(1.0, height)]
        else:
            mask = decode(entry["segmentation"], *sizes[entry["image_id"]])
            row["segmentation"] = dict(rle.encode(np.roll(mask, rng.integers(-3, 4, 2), (0, 1))[None])[0])
        rows.append(row | {"score": float(rng.integers(0, 50)) / 50})
    found = average_precision(truth, rows, iou_type, protocol)
    assert_same(found, lvis_api(tmp_path, truth, rows, iou_type, limit))
    assert 0.1 < found["ap"] < 0.9
