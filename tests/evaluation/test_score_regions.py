"""`ovseg score --task regions`: what the truth's boxes and masks are called."""

import json

import pytest

from ovseg_core.evaluation.score import score
from ovseg_core.evaluation.score_error import ScoreError

CATEGORIES = [{"id": n, "name": f"c{n}", "isthing": int(n < 30)} for n in (10, 20, 30, 40, 50, 60)]
# two images; the ids of segments are unique in their image only, and one region is a crowd
SEGMENTS = {1: [(5, 10), (6, 30)], 2: [(5, 10), (7, 20), (8, 40)]}


def truth():
    annotations = [
        {
            "image_id": image,
            "segments_info": [{"id": key, "category_id": name, "iscrowd": 0} for key, name in found],
        }
        for image, found in SEGMENTS.items()
    ]
    annotations[0]["segments_info"].append({"id": 9, "category_id": 10, "iscrowd": 1})
    return {"images": [{"id": 1}, {"id": 2}], "annotations": annotations, "categories": CATEGORIES}


def called(image, key, *names, scores=(0.9, 0.05, 0.03, 0.01, 0.01)):
    return {"image_id": image, "id": key, "category_ids": list(names), "scores": list(scores)}


def results():
    return [
        called(1, 5, 10, 20, 30, 40, 50),  # right
        called(1, 6, 20, 30, 10, 40, 50),  # stuff called a thing, second
        called(2, 5, 20, 30, 40, 50, 10),  # fifth
        called(2, 7, 20, 10, 30, 40, 50),  # right
        called(2, 8, 30, 10, 20, 50, 60),  # stuff called other stuff, not among five
    ]


def scored(folder, rows=None, known=None):
    (folder / "predictions.json").write_text(json.dumps(results() if rows is None else rows))
    (folder / "truth.json").write_text(json.dumps(known or truth()))
    return score("regions", folder / "predictions.json", folder / "truth.json")


def test_means_over_classes_by_hand(tmp_path):
    found = scored(tmp_path)
    # class 10: 1 of 2, in five 2 of 2; 20: 1 of 1; 30: 0 of 1, in five 1 of 1; 40: 0 of 1
    assert [found["top1"], found["top5"]] == pytest.approx([(1 / 2 + 1) / 4, 3 / 4])
    assert [found["top1_thing"], found["top5_thing"]] == [0.75, 1.0]
    assert [found["top1_stuff"], found["top5_stuff"]] == [0.0, 0.5]
    assert found["foreground_bias"] == 0.5
    assert found["ece"] == pytest.approx(abs(2 / 5 - 0.9))
    assert found["per_class"] == {"c10": 0.5, "c20": 1.0, "c30": 0.0, "c40": 0.0}
    assert found["counts"] == {"regions": 5, "classes": 4}


def test_annotations_of_instances_are_regions_too(tmp_path):
    flat = [
        {"image_id": image, "id": key, "category_id": name}
        for image, segments in SEGMENTS.items()
        for key, name in segments
    ]
    boxes = truth() | {
        "annotations": flat,
        "categories": [{"id": c["id"], "name": c["name"]} for c in CATEGORIES],
    }
    found = scored(tmp_path, known=boxes)
    assert found["top1"] == pytest.approx(3 / 8)
    assert found["top1_stuff"] is None  # it does not say what is stuff


def test_fewer_than_five_classes_have_no_top5_and_logits_no_ece(tmp_path):
    rows = [row | {"category_ids": row["category_ids"][:2], "scores": [17.5, -3.0]} for row in results()]
    found = scored(tmp_path, rows)
    assert "top5" not in found
    assert "ece" not in found
    assert found["top1"] == pytest.approx(3 / 8)


def but(number, **change):
    rows = results()
    rows[number] |= change
    return rows


FAULTS = [
    ([], "has to be a list of regions that is not empty"),
    ([1, 2], "entries without image_id, id or category_ids, all whole numbers: 0, 1"),
    (but(1, category_ids=[]), "all whole numbers: 1"),
    (but(1, category_ids=[[20]]), "all whole numbers: 1"),
    (but(1, image_id=3), r"that the truth does not have: \(3, 6\)"),
    (but(1, id=9), r"that the truth does not have: \(1, 9\)"),  # the crowd
    (but(1, id=5), r"that come more than once: \(1, 5\)"),
    (results()[:3], r"of the truth without a prediction: \(2, 7\), \(2, 8\)"),
    (but(2, category_ids=[11, 20, 30, 40, 50]), r"category\) that the truth does not have: \(\(2, 5\), 11\)"),
    (but(2, category_ids=[20, 20, 30, 40, 50]), r"name a category more than once: \(2, 5\)"),
    (but(2, scores=[0.9, float("nan"), 0.1, 0.1, 0.1]), r"no finite numbers, one a category, .*: \(2, 5\)"),
    (but(2, scores=[0.5]), r"one a category, the best first: \(2, 5\)"),
    (but(2, scores=[0.1, 0.2, 0.3, 0.4, 0.5]), r"the best first: \(2, 5\)"),
    ([row if n else {k: v for k, v in row.items() if k != "scores"} for n, row in enumerate(results())],
     r"without scores, which others have: \(1, 5\)"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), FAULTS)
def test_results_that_cannot_be_scored_are_refused(tmp_path, rows, message):
    with pytest.raises(ScoreError, match=message):
        scored(tmp_path, rows)
