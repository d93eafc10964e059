"""`ovseg score --task panoptic`: the numbers of panoptic_quality, and every way the files can be wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from ovseg_core.evaluation.score import score
from ovseg_core.evaluation.score_error import ScoreError

CATEGORIES = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 22, "name": "sky", "isthing": 0}]
TRUTH = {1: ([[5, 5, 5, 5, 6, 6, 6, 6, 0, 0]], {5: 1, 6: 22}), 2: ([[300, 300, 300]], {300: 22})}
GUESS = {1: ([[1, 1, 1, 3, 2, 2, 3, 3, 1, 1]], {1: 1, 2: 22, 3: 1}), 2: ([[70_000] * 3], {70_000: 22})}


def content(maps):
    annotations = [
        {
            "image_id": image,
            "file_name": f"{image}.png",
            "segments_info": [
                {"id": key, "category_id": name, "iscrowd": 0, "area": int((np.array(ids) == key).sum())}
                for key, name in segments.items()
            ],
        }
        for image, (ids, segments) in maps.items()
    ]
    return {"images": [{"id": n} for n in maps], "annotations": annotations, "categories": CATEGORIES}


def write(folder, name, maps):
    (folder / name).mkdir()
    for image, (ids, _) in maps.items():
        ids = np.array(ids)
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
        Image.fromarray(colours).save(folder / name / f"{image}.png")
    (folder / f"{name}.json").write_text(json.dumps(content(maps)))


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "truth", TRUTH)
    write(tmp_path, "guess", GUESS)
    return tmp_path


def scored(folder):
    return score("panoptic", folder / "guess.json", folder / "truth.json")


def test_a_value_worked_out_by_hand(folder):
    found = scored(folder)
    # cat: a match of 3/4 (void aside) and a false one; sky: a match of 1, a miss and a false one
    assert found["per_class"] == pytest.approx({"cat": 0.75 / 1.5, "sky": 1 / 2})
    assert [found["pq"], found["pq_thing"], found["sq_stuff"]] == pytest.approx([0.5, 0.5, 1.0])
    assert found["counts"] == {"images": 2, "segments": 4}


def edit(name, change):
    def apply(folder):
        path = folder / f"{name}.json"
        edited = json.loads(path.read_text())
        change(edited)
        path.write_text(json.dumps(edited))

    return apply


def segment(edited, **change):
    edited["annotations"][0]["segments_info"][0].update(change)


def image(*size, mode="RGB", name="guess/2.png"):
    return lambda folder: Image.new(mode, size).save(folder / name)


FAULTS = [
    (
        edit("guess", lambda e: e["annotations"].pop()),
        r"guess\.json: images of the truth without a prediction: 2",
    ),
    (edit("guess", lambda e: e["annotations"].clear()), "holds no prediction"),
    (
        edit("guess", lambda e: e["annotations"].append({**e["annotations"][0], "image_id": 9})),
        "does not have: 9",
    ),
    (
        edit("guess", lambda e: e["annotations"].append(e["annotations"][0])),
        "images that come more than once: 1",
    ),
    (edit("guess", lambda e: e["annotations"][0].pop("file_name")), "entries without image_id, file_name"),
    (edit("guess", lambda e: e.pop("annotations")), "no list of annotations"),
    (edit("guess", lambda e: segment(e, category_id=99)), "segment 1 has unknown category_id 99"),
    (edit("guess", lambda e: segment(e, id=4)), "segment 1 is in the PNG but not in segments_info|segment 4"),
    (edit("guess", lambda e: segment(e, id=2)), "images in which a segment's id comes more than once: 1"),
    (edit("truth", lambda e: e["categories"][0].pop("isthing")), "categories without isthing of 0 or 1: 1"),
    (edit("truth", lambda e: e["annotations"].clear()), "annotations is empty; there is nothing to score"),
    (
        edit("truth", lambda e: segment(e, category_id=99)),
        r"segments \(image, id\) of unknown categories: \(1, 5\)",
    ),
    (
        edit("truth", lambda e: [entry["segments_info"].clear() for entry in e["annotations"]]),
        "has no segment; there is nothing to score against",
    ),
    (edit("guess", lambda e: segment(e, id="a")), "entries without .* whole numbers id and category_id: 0"),
    (image(4, 1), r"2\.png has 4x1 pixels and its truth 3x1"),
    (image(3, 1, mode="L"), r"guess/2\.png is a L image; a panoptic PNG has its ids in R, G and B"),
    (lambda folder: (folder / "guess/2.png").unlink(), r"guess/2\.png is missing"),
    (lambda folder: (folder / "guess/2.png").write_bytes(b"x"), r"guess/2\.png cannot be read as a PNG"),
    (
        lambda folder: (folder / "guess").rename(folder / "other"),
        "the PNGs of .* lie in the folder of its name",
    ),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_files_that_cannot_be_scored_are_refused(folder, change, message):
    change(folder)
    with pytest.raises(ScoreError, match=message):
        scored(folder)
