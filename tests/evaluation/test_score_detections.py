"""`ovseg score` on COCO and LVIS results: the numbers of average_precision, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ovseg_core.evaluation.score import TASKS, score
from ovseg_core.evaluation.score_error import ScoreError
from ovseg_core.masks import rle
from ovseg_core.metrics.ap import average_precision
from pipelines import cli

SIZE = {"height": 20, "width": 30}


def mask(x, y, width, height):
    pixels = np.zeros((1, SIZE["height"], SIZE["width"]), bool)
    pixels[0, y : y + height, x : x + width] = True
    return dict(rle.encode(pixels)[0])


def annotation(key, image, name, box):
    shape = {"bbox": box, "area": box[2] * box[3], "segmentation": mask(*box)}
    return {"id": key, "image_id": image, "category_id": name, "iscrowd": 0} | shape


def truth():
    images = [{"id": n, **SIZE, "neg_category_ids": [], "not_exhaustive_category_ids": []} for n in (1, 2, 3)]
    annotations = [annotation(1, 1, 7, [2, 2, 10, 8]), annotation(2, 2, 9, [5, 5, 10, 10])]
    categories = [{"id": 7, "name": "cat", "frequency": "r"}, {"id": 9, "name": "dog", "frequency": "f"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def results():
    boxes = [(1, 7, [2, 2, 10, 8], 0.9), (2, 9, [5, 5, 10, 9], 0.8), (2, 7, [0, 0, 4, 4], 0.3)]
    return [
        {"image_id": image, "category_id": name, "bbox": box, "segmentation": mask(*box), "score": value}
        for image, name, box, value in boxes
    ]


def write(folder, **contents):
    for name, content in contents.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder / "predictions.json", folder / "truth.json"


def scored(folder, task="bbox", predictions=None, known=None):
    return score(task, *write(folder, predictions=results() if predictions is None else predictions,
                              truth=truth() if known is None else known))  # fmt: skip


@pytest.mark.parametrize("task", ["bbox", "segm", "lvis", "lvis-fixed"])
def test_numbers_are_those_of_average_precision(tmp_path, task):
    found = scored(tmp_path, task)
    kind, protocol = ("bbox" if task == "bbox" else "segm"), (task if "lvis" in task else "coco")
    expected = average_precision(truth(), results(), kind, protocol)
    assert {name: found[name] for name in ("ap", "ap50", "apm")} == {
        "ap": expected["ap"], "ap50": expected["ap50"], "apm": None  # nothing of that size
    }  # fmt: skip
    assert found["iou_type"] == kind
    assert found["per_class"]["cat"] == pytest.approx(1.0)
    assert ("apr" in found) == ("lvis" in task)


def test_what_is_odd_but_sound_is_counted(tmp_path):
    found = scored(tmp_path, predictions=[*results(), results()[0]])
    found = {name: found["counts"][name] for name in ("images_without_detections", "duplicate_detections")}
    assert found == {"images_without_detections": 1, "duplicate_detections": 1}


def test_polygons_and_plain_runs_are_masks_of_a_truth(tmp_path):
    polygon = [[2, 2, 12, 2, 12, 10, 2, 10]]
    runs = {"size": [20, 30], "counts": [42] + [8, 12] * 9 + [8, 370]}
    for shape in (polygon, runs):
        assert scored(tmp_path, "segm", known=with_annotation(segmentation=shape))["ap"] == pytest.approx(1)


def test_boxes_are_scored_where_lvis_results_have_no_masks(tmp_path):
    rows = [{key: value for key, value in row.items() if key != "segmentation"} for row in results()]
    assert scored(tmp_path, "lvis", rows)["iou_type"] == "bbox"


def changed(**change):
    return [results()[0], results()[1] | change]


BROKEN = {"size": [20, 30], "counts": "abc"}
SHORT = {"size": [20, 30], "counts": "231"}
LONG = {"size": [20, 30], "counts": mask(2, 2, 10, 8)["counts"] + "55"}
FAULTS = [
    ("bbox", [], "holds no detection"),
    ("bbox", {"annotations": []}, "is a dict; COCO results are a list"),
    ("bbox", "[{", "is no JSON"),
    ("bbox", [results()[0], 5], r"entries that are no object: 1"),
    ("bbox", changed(image_id=99), r"images that the truth does not have: entry 1 \(99\)"),
    ("bbox", changed(image_id="2"), r"image_id has to be a whole number: entry 1 \(2\)"),
    ("bbox", changed(category_id=8), r"categories that the truth does not have: entry 1 \(8\)"),
    ("bbox", changed(category_id=None), "category_id has to be a whole number"),
    ("bbox", changed(score=float("nan")), r"scores that are no finite numbers: entry 1 \(nan\)"),
    ("bbox", changed(score="0.5"), "scores that are no finite numbers"),
    ("bbox", changed(score=float("inf")), "scores that are no finite numbers"),
    ("bbox", changed(bbox=[1, 2, 3]), r"boxes have to be .*: entry 1 \(\[1, 2, 3\]\)"),
    ("bbox", changed(bbox=[1, 2, -3, 4]), "boxes have to be"),
    ("bbox", changed(bbox=[1, 2, float("nan"), 4]), "boxes have to be"),
    ("segm", changed(segmentation=None), "a segmentation has to be RLE"),
    ("segm", changed(segmentation=[[1, 1, 4, 1, 4, 4]]), "a segmentation has to be RLE"),
    ("segm", changed(segmentation={"size": [30, 20], "counts": "1"}), r"another size than .*: entry 1 \(2\)"),
    ("segm", changed(segmentation=BROKEN), r"RLE that does not decode to its size: entry 1 \(2\)"),
    ("segm", changed(segmentation=SHORT), "RLE that does not decode"),
    ("segm", changed(segmentation=LONG), "RLE that does not decode"),
    ("lvis-fixed", changed(score=float("nan")), "scores that are no finite numbers"),
]


@pytest.mark.parametrize(("task", "predictions", "message"), FAULTS)
def test_results_that_cannot_be_scored_are_refused(tmp_path, task, predictions, message):
    with pytest.raises(ScoreError, match=message) as caught:
        scored(tmp_path, task, predictions)
    assert "predictions.json" in str(caught.value)


def without(part, key):
    return truth() | {part: [{k: v for k, v in entry.items() if k != key} for entry in truth()[part]]}


def with_annotation(**change):
    return truth() | {"annotations": [truth()["annotations"][0] | change]}


TRUTHS = [
    ("bbox", [], "is a list; a truth is COCO JSON with images, annotations and categories"),
    ("bbox", {"images": [], "categories": []}, "lacks annotations"),
    ("bbox", truth() | {"annotations": []}, "annotations is empty; there is nothing to score against"),
    ("bbox", truth() | {"images": [], "annotations": []}, "images, annotations is empty"),
    ("bbox", truth() | {"images": truth()["images"] * 2}, "ids that several images have: 1, 2, 3"),
    (
        "bbox",
        truth() | {"annotations": [annotation(1, 5, 7, [1, 1, 2, 2])]},
        "images or categories that it does not list: 1",
    ),
    (
        "bbox",
        without("annotations", "area"),
        "annotations without one of id, image_id, category_id, area, bbox: 1, 2",
    ),
    ("bbox", truth() | {"annotations": [5]}, "entries of annotations that are no object: 0"),
    (
        "bbox",
        truth() | {"annotations": truth()["annotations"] * 2},
        "ids that several annotations have: 1, 2",
    ),
    ("bbox", with_annotation(bbox=[0, 0, float("nan"), 1]), "bbox is not .* in pixels: 1"),
    (
        "segm",
        with_annotation(segmentation={"size": [20, 30], "counts": "zz"}),
        "neither polygons nor RLE .*: 1",
    ),
    ("segm", with_annotation(segmentation={"size": [30, 20], "counts": [600]}), "neither polygons nor RLE"),
    ("segm", with_annotation(segmentation=[[1, 1, 4, 4]]), "neither polygons nor RLE"),
    ("segm", with_annotation(segmentation=[]), "neither polygons nor RLE"),
    ("segm", without("annotations", "segmentation"), "area, segmentation: 1, 2"),
    ("segm", without("images", "height"), "images without height and width, which masks need: 1, 2, 3"),
    ("lvis", without("images", "neg_category_ids"), "so it is no LVIS truth: 1, 2, 3"),
    ("lvis", without("categories", "frequency"), "categories without a frequency of r, c or f: 7, 9"),
]


@pytest.mark.parametrize(("task", "known", "message"), TRUTHS)
def test_truths_that_cannot_be_scored_against_are_refused(tmp_path, task, known, message):
    with pytest.raises(ScoreError, match=message) as caught:
        scored(tmp_path, task, known=known)
    assert "truth.json" in str(caught.value)


def test_the_first_offenders_are_named_and_the_rest_counted(tmp_path):
    rows = [row | {"image_id": 90 + n} for n, row in enumerate(results() * 3)]
    with pytest.raises(ScoreError, match=r"entry 0 \(90\), entry 1 \(91\), entry 2 \(92\) and 6 more"):
        scored(tmp_path, predictions=rows)


def test_files_that_are_missing_are_named(tmp_path):
    predictions, known = write(tmp_path, predictions=results(), truth=truth())
    with pytest.raises(ScoreError, match=r"nothing\.json is missing"):
        score("bbox", tmp_path / "nothing.json", known)
    with pytest.raises(ScoreError, match="is a folder, not a JSON file"):
        score("bbox", predictions, tmp_path)


def test_options_of_class_maps_are_refused_elsewhere(tmp_path):
    with pytest.raises(ScoreError, match="--convention is for --task semantic"):
        score("bbox", *write(tmp_path, predictions=results(), truth=truth()), convention="mmseg")


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    predictions, known = write(tmp_path, predictions=results(), truth=truth())
    given = ["--predictions", str(predictions), "--truth", str(known), "--json", str(tmp_path / "out.json")]
    cli.main(["score", "--task", "bbox", *given])
    written = json.loads((tmp_path / "out.json").read_text())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bbox (bbox): COCO: the 100 best detections")
    assert f"  ap  {100 * written['ap']:.2f}".split() in [line.split() for line in lines]
    assert ["apl", "–"] in [line.split() for line in lines]
    assert written == scored(tmp_path)


def test_a_fault_ends_the_command_in_one_line_and_writes_nothing(tmp_path):
    predictions, known = write(tmp_path, predictions=changed(score=float("nan")), truth=truth())
    given = ["--predictions", str(predictions), "--truth", str(known), "--json", str(tmp_path / "out.json")]
    with pytest.raises(SystemExit, match=r"^ovseg: .*scores that are no finite numbers"):
        cli.main(["score", "--task", "bbox", *given])
    assert not (tmp_path / "out.json").exists()


def test_the_command_line_knows_every_task_without_loading_them():
    assert tuple(TASKS) == cli.SCORED
    code = "import sys, pipelines.cli; pipelines.cli.parser(); sys.exit('hotcoco' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
