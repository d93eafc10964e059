"""`ovseg score --task regions`: what the truth's boxes and masks are called, and masks without names."""

import json

import numpy as np
import pytest
from PIL import Image

from ovseg_core.evaluation.score import score
from ovseg_core.evaluation.score_error import ScoreError
from ovseg_core.masks import rle

CATEGORIES = [{"id": n, "name": f"c{n}", "isthing": int(n < 30)} for n in (10, 20, 30, 40, 50, 60)]
# two images; the ids of segments are unique in their image only, and one region is a crowd
SEGMENTS = {1: [(5, 10), (6, 30)], 2: [(5, 10), (7, 20), (8, 40)]}


def truth():
    annotations = [
        {
            "image_id": image,
            "file_name": f"{image}.png",
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
    ([], "has to be a list of regions or proposals that is not empty"),
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


def edited(change):
    known = truth()
    change(known["annotations"])
    return known


TRUTHS = [
    (edited(lambda a: a.append(3)), "entries of annotations that are no object: 2"),
    (edited(lambda a: a.append(a[0])), "images that come more than once: 1"),
    (edited(lambda a: a[1]["segments_info"].append({"id": 5, "category_id": 10})), "more than once: 2"),
    (edited(lambda a: a[0]["segments_info"][0].pop("id")), "segments_info of whole numbers .*: 0"),
    (edited(lambda a: a[0]["segments_info"][0].update(category_id=7)), r"unknown categories: \(1, 5\)"),
    (edited(lambda a: a[0].update(image_id=7)), "images that it does not list: 7"),
    (edited(lambda a: [entry["segments_info"].clear() for entry in a]), "has no segment; there is nothing"),
    (truth() | {"annotations": [{"image_id": 1, "id": 5}]}, "without id, image_id or category_id, .*: 0"),
]


@pytest.mark.parametrize(("known", "message"), TRUTHS)
def test_truths_that_cannot_be_scored_against_are_refused(tmp_path, known, message):
    with pytest.raises(ScoreError, match=message) as caught:
        scored(tmp_path, known=known)
    assert "truth.json" in str(caught.value)


# One row of ten pixels: a cat, a sky, a crowd of cats and a pixel that nothing is said of.
IDS = np.array([[5, 5, 5, 5, 6, 6, 6, 9, 9, 0]])


def pixels(*chosen):
    mask = np.zeros((1, 1, 10), bool)
    mask[0, 0, list(chosen)] = True
    return dict(rle.encode(mask)[0])


def proposal(*chosen, score=0.5, image=1, **change):
    return {"image_id": image, "segmentation": pixels(*chosen), "score": score} | change


def scene(panoptic):
    """The truth of IDS and of an image without an object, as COCO panoptic or as instances."""
    images = [{"id": n, "height": 1, "width": 10} for n in (1, 2)]
    whole = [(5, 10, 0), (6, 30, 0), (9, 10, 1)]
    if panoptic:
        info = [{"id": key, "category_id": name, "iscrowd": crowd} for key, name, crowd in whole]
        annotations = [{"image_id": 1, "file_name": "1.png", "segments_info": info}]
    else:
        annotations = [
            {"id": key, "image_id": 1, "category_id": name, "iscrowd": crowd, "area": 4,
             "segmentation": pixels(*np.flatnonzero(IDS[0] == key))}
            for key, name, crowd in whole
        ]  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def covered(folder, rows, panoptic=False, known=None):
    (folder / "truth").mkdir(exist_ok=True)
    Image.fromarray(np.stack([IDS, 0 * IDS, 0 * IDS], -1).astype(np.uint8)).save(folder / "truth/1.png")
    return scored(folder, rows, known or scene(panoptic))


@pytest.mark.parametrize("panoptic", [False, True])
def test_recall_of_masks_without_names_by_hand(tmp_path, panoptic):
    rows = [proposal(0, 1, 2), proposal(4, 5, 6, 7, 8), proposal(3, image=2)]
    found = covered(tmp_path, rows, panoptic)
    # the cat: 3 of 4; the sky: 3 of 5, the crowd's two pixels aside where the truth is panoptic: 3 of 3
    assert (found["recall_50"], found["recall_90"]) == (1.0, 0.5 if panoptic else 0.0)
    assert found["recall_70"] == (1.0 if panoptic else 0.5)
    assert found["per_class"] == {"c10": 1.0, "c30": 1.0}
    assert found["counts"] == {
        "images": 2, "segments": 2, "proposals": 3, "images_without_proposals": 0, "duplicate_proposals": 0
    }  # fmt: skip


def test_the_128_proposals_that_score_best_count(tmp_path):
    noise = [proposal(9, score=0.6) for _ in range(127)]
    rows = [proposal(0, 1, 2, 3, score=0.1), *noise, proposal(4, 5, 6, score=0.3)]
    found = covered(tmp_path, rows)
    assert found["per_class"] == {"c10": 0.0, "c30": 1.0}
    assert found["counts"]["duplicate_proposals"] == 126
    assert found["counts"]["images_without_proposals"] == 1


PROPOSALS = [
    ([proposal(0, image=7)], r"images that the truth does not have: entry 0 \(7\)"),
    ([proposal(0, score=float("nan"))], r"scores that are no finite numbers: entry 0 \(nan\)"),
    ([proposal(0, segmentation={"size": [10, 1], "counts": "1"})], "masks of another size than their image"),
    ([proposal(0, segmentation={"size": [1, 10], "counts": "zz"})], "RLE that does not decode"),
    ([proposal(0, segmentation=None)], "a segmentation has to be RLE"),
    ([proposal(0), {"image_id": 1, "score": 0.5}], "entries without image_id, id or category_ids"),
]


@pytest.mark.parametrize(("rows", "message"), PROPOSALS)
def test_proposals_that_cannot_be_scored_are_refused(tmp_path, rows, message):
    with pytest.raises(ScoreError, match=message):
        covered(tmp_path, rows)


def test_pixels_of_the_truth_that_do_not_fit_are_refused(tmp_path):
    known = scene(panoptic=True)
    known["annotations"][0]["segments_info"][0]["id"] = 4
    with pytest.raises(ScoreError, match=r"1\.png: segments \(image, id\) without a pixel: \(1, 4\)"):
        covered(tmp_path, [proposal(0)], known=known)
    (tmp_path / "truth/1.png").write_bytes(b"x")
    with pytest.raises(ScoreError, match=r"1\.png cannot be read as a PNG"):
        scored(tmp_path, [proposal(0)], scene(panoptic=True))
