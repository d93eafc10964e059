"""`ovseg score` on folders of class maps: the numbers of the metrics, and every way a folder can be wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from ovseg_core.evaluation.score import score
from ovseg_core.evaluation.score_error import ScoreError
from ovseg_core.metrics.iou import CONVENTIONS
from pipelines import cli

# class 3 is predicted and never true; one pixel is void
TRUTH = {"a": [[0, 0, 1, 1]], "b": [[2, 2, 1, 255]]}
GUESS = {"a": [[0, 1, 1, 1]], "b": [[2, 3, 1, 0]]}
NAMES = "cat\ndog\nsky\ngrass\n"


def write_map(path, labels, wide=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    if wide:  # 16 bits
        labels = np.where(np.array(labels) == 255, 65535, labels).astype(np.uint16)
    else:
        labels = np.array(labels, np.uint8)
    Image.fromarray(labels).save(path)


@pytest.fixture
def folder(tmp_path):
    for name in TRUTH:
        write_map(tmp_path / "truth" / f"{name}.png", TRUTH[name])
        write_map(tmp_path / "guess" / f"{name}.png", GUESS[name])
    (tmp_path / "names.txt").write_text(NAMES)
    return tmp_path


def scored(folder, **options):
    return score("semantic", folder / "guess", folder / "truth", **options)


# cat 1/2, dog 3/4 (in b alone 1), sky 1/2, grass 0
BY_HAND = {
    "mmseg": (1 / 2 + 3 / 4 + 1 / 2 + 0) / 4,
    "detectron2": (1 / 2 + 3 / 4 + 1 / 2) / 3,
    "torchmetrics": (1 / 2 + 2 / 3 + 1 / 2 + 1 + 0) / 5,
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_by_name(folder, convention):
    found = scored(folder, names=folder / "names.txt", convention=convention)
    assert found["miou"] == pytest.approx(BY_HAND[convention])
    assert found["aacc"] == pytest.approx(5 / 7)
    assert found["miou_low"] <= found["miou"] <= found["miou_high"]
    assert found["protocol"] == CONVENTIONS[convention]


def test_mmsegmentation_is_the_default_and_classes_have_their_names(folder):
    found = scored(folder, names=folder / "names.txt")
    assert found["convention"] == "mmseg"
    assert found["per_class"] == pytest.approx({"cat": 1 / 2, "dog": 3 / 4, "sky": 1 / 2, "grass": 0})
    assert found["macc"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert found["counts"] == {"images": 2, "classes": 4, "pixels": 7}


def test_without_names_classes_are_numbers(folder):
    found = scored(folder)
    assert list(found["per_class"]) == ["0", "1", "2", "3"]
    assert found["miou"] == pytest.approx(BY_HAND["mmseg"])


def test_a_name_that_comes_twice_keeps_its_number(folder):
    (folder / "names.txt").write_text("cat\ndog\ncat\ngrass\n")
    found = scored(folder, names=folder / "names.txt")
    assert found["per_class"] == pytest.approx({"cat (0)": 1 / 2, "dog": 3 / 4, "cat (2)": 1 / 2, "grass": 0})


def test_sixteen_bits_hold_large_vocabularies(folder):
    write_map(folder / "truth/a.png", [[0, 0, 300, 300]], wide=True)
    write_map(folder / "guess/a.png", [[0, 300, 300, 300]], wide=True)
    write_map(folder / "truth/b.png", [[2, 2, 255, 300]], wide=True)
    write_map(folder / "guess/b.png", [[2, 2, 0, 300]], wide=True)
    found = scored(folder)
    assert found["counts"] == {"images": 2, "classes": 301, "pixels": 7}
    assert found["per_class"] == pytest.approx({"0": 1 / 2, "2": 1.0, "300": 3 / 4})


def test_kinds_of_classes_have_their_means_and_blocks(folder):
    kinds = {"names": NAMES.split(), "kinds": ["thing", "thing", "stuff", "stuff"]}
    (folder / "names.json").write_text(json.dumps(kinds))
    found = scored(folder, names=folder / "names.json")
    assert found["miou_thing"] == pytest.approx(5 / 8)
    assert found["miou_stuff"] == pytest.approx(1 / 4)
    assert (found["thing_as_thing"], found["foreground_bias"]) == (1.0, 0.0)


def remove(folder):
    (folder / "guess/b.png").unlink()


def add(folder):
    for name in "cdefg":
        write_map(folder / f"guess/{name}.png", [[0]])


def empty(part):
    def change(folder):
        for path in (folder / part).iterdir():
            path.unlink()

    return change


def draw(name, labels, wide=False):
    return lambda folder: write_map(folder / name, labels, wide)


def colour(folder):
    Image.new("RGB", (4, 1)).save(folder / "guess/a.png")


def cut(folder):
    (folder / "guess/a.png").write_bytes((folder / "guess/a.png").read_bytes()[:40])


def rewrite(text):
    return lambda folder: (folder / "names.txt").write_text(text)


FAULTS = [
    (remove, "guess: images of the truth without a prediction: b"),
    (add, "guess: images that the truth does not have: c, d, e and 2 more"),
    (empty("guess"), r"guess holds no \.png file"),
    (empty("truth"), r"truth holds no \.png file"),
    (draw("guess/a.png", [[0, 0], [1, 1]]), r"a\.png has 2x2 pixels and its truth 4x1"),
    (
        draw("guess/a.png", [[0, 0, 1, 4]]),
        r"guess/a\.png has label 4; there are 4 names, so labels run from 0 to 3",
    ),
    (draw("guess/a.png", [[0, 0, 1, 9000]], wide=True), r"guess/a\.png has label 9000"),
    (draw("truth/b.png", [[0, 0, 1, 7]]), r"truth/b\.png has label 7"),
    (draw("guess/a.png", [[0, 0, 1, 255]]), r"guess/a\.png is void .* where its truth is not"),
    (colour, r"a\.png is a RGB image; a mask is a palette or grey PNG"),
    (cut, r"a\.png cannot be read as a PNG"),
    (
        lambda folder: (folder / "guess/a.png").write_bytes(b""),
        r"a\.png cannot be read as a PNG: it is no image$",
    ),
    (lambda folder: (folder / "names.txt").write_bytes(b"caf\xe9"), r"names\.txt is no UTF-8 text"),
    (rewrite(""), "has to hold names"),
    (rewrite("cat\n\nsky\n"), "has to hold names"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_folders_that_cannot_be_scored_are_refused(folder, change, message):
    change(folder)
    with pytest.raises(ScoreError, match=message):
        scored(folder, names=folder / "names.txt")


def test_a_truth_of_void_alone_is_refused(folder):
    for name in TRUTH:
        write_map(folder / f"truth/{name}.png", [[255] * 4])
    with pytest.raises(ScoreError, match="every pixel is void; there is nothing to score"):
        scored(folder)


def test_kinds_that_do_not_fit_are_refused(folder):
    (folder / "names.json").write_text(json.dumps({"names": NAMES.split(), "kinds": ["thing"]}))
    with pytest.raises(ScoreError, match="thing or stuff for each of the 4 names"):
        scored(folder, names=folder / "names.json")


def test_a_folder_that_is_missing_is_named(folder):
    with pytest.raises(ScoreError, match="nowhere is no folder of PNGs"):
        score("semantic", folder / "nowhere", folder / "truth")


def test_the_command_takes_the_convention(folder, capsys):
    given = ["--predictions", str(folder / "guess"), "--truth", str(folder / "truth")]
    cli.main(["score", "--task", "semantic", *given, "--convention", "detectron2"])
    out = capsys.readouterr().out
    assert "(detectron2)" in out
    assert f"miou {100 * BY_HAND['detectron2']:.2f}" in " ".join(out.split())
    assert tuple(CONVENTIONS) == cli.CONVENTIONS
