import json

import numpy as np
import pytest
from colour_world import paint, write_benchmark, write_mask
from PIL import Image

from ovseg_core.benchmarks.benchmark import VOID, BenchmarkError
from ovseg_core.benchmarks.folder import read

NAMES = ["red", "green", "blue"]
TRUTH = np.array([[0, 1], [2, 255]])
IMAGE = paint(np.array([[0, 1], [2, 2]]), NAMES)


@pytest.fixture
def folder(tmp_path):
    return write_benchmark(tmp_path / "squares", {"a": (TRUTH, IMAGE), "b": (TRUTH, IMAGE)})


def describe(folder, **changes):
    path = folder / "benchmark.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_reads_what_is_there(folder):
    describe(folder, subsets={"warm": ["red"], "cold": ["green", "blue"]}, held_out=["b"])
    benchmark = read(folder)
    assert benchmark.ids == ["a", "b"]
    assert benchmark.held_out == {"b"}
    assert benchmark.queries == [["red"], ["green", "lime"], ["blue"]]
    assert benchmark.subsets == {"warm": [0], "cold": [1, 2]}
    assert (benchmark.of_kind("thing"), benchmark.of_kind("stuff")) == ([0, 1], [2])
    assert benchmark.truth("a", (2, 2)).tolist() == [[0, 1], [2, VOID]]
    assert np.array_equal(benchmark.image("a"), IMAGE)


def test_the_background_rule_queries_other_names_in_its_place(folder):
    describe(folder, background={"index": 2, "names": ["sky, cloud", "sea"]})
    benchmark = read(folder)
    assert benchmark.queries == [["red"], ["green", "lime"], ["sky", "cloud", "sea"]]
    assert benchmark.foreground == [0, 1]
    assert benchmark.of_kind("stuff") == []


def test_a_16_bit_mask_may_have_255_as_a_class(folder):
    names = [f"class {i}" for i in range(300)]
    describe(folder, names=names, kinds=["thing"] * 300)
    wide = np.array([[255, 299], [0, 65535]], np.uint16)
    Image.fromarray(wide).save(folder / "SegmentationClass/a.png")
    assert read(folder).truth("a").tolist() == [[255, 299], [0, VOID]]


def test_the_fingerprint_changes_with_one_pixel_of_one_mask(folder):
    before = read(folder).fingerprint()
    assert read(folder).fingerprint() == before
    write_mask(folder / "SegmentationClass/b.png", [[0, 1], [2, 2]])
    assert read(folder).fingerprint() != before


def test_a_missing_mask_is_named_before_any_work(folder):
    (folder / "SegmentationClass/b.png").unlink()
    with pytest.raises(BenchmarkError, match=r"SegmentationClass/b\.png is missing.*0 more of the 2"):
        read(folder)


def test_a_missing_image_is_named_before_any_work(folder):
    (folder / "JPEGImages/a.jpg").unlink()
    with pytest.raises(BenchmarkError, match=r"JPEGImages/a\.jpg is missing"):
        read(folder)


def test_a_missing_split_file_is_named(folder):
    (folder / "ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(BenchmarkError, match=r"ImageSets/Segmentation/val\.txt is missing"):
        read(folder)


def test_an_unknown_benchmark_answers_with_the_known_ones(folder):
    with pytest.raises(BenchmarkError, match=r"circles/benchmark\.json is missing; .*: squares"):
        read(folder.parent / "circles")


def test_a_mask_of_another_size_is_named_with_both_sizes(folder):
    write_mask(folder / "SegmentationClass/b.png", np.zeros((4, 5)))
    with pytest.raises(BenchmarkError, match=r"b\.png has 5x4 pixels and its image 2x2"):
        read(folder).truth("b", (2, 2))


def test_a_label_beyond_the_names_is_named(folder):
    write_mask(folder / "SegmentationClass/b.png", [[0, 7], [1, 3]])
    with pytest.raises(BenchmarkError, match=r"b\.png has label 3; .* names 3 classes, .*from 0 to 2"):
        read(folder).truth("b", (2, 2))


@pytest.mark.parametrize(
    ("sub", "content", "message"),
    [
        ("SegmentationClass/a.png", b"\x89PNG not really", r"a\.png cannot be read as a PNG"),
        ("JPEGImages/a.jpg", b"<html>", r"JPEGImages/a\.jpg: undecodable_image.*take its id out of"),
    ],
)
def test_a_broken_file_is_named(folder, sub, content, message):
    (folder / sub).write_bytes(content)
    benchmark = read(folder)
    with pytest.raises(BenchmarkError, match=message):
        benchmark.truth("a", benchmark.image("a").shape[:2])


def test_a_mask_in_colours_is_no_class_map(folder):
    Image.fromarray(IMAGE).save(folder / "SegmentationClass/a.png")
    with pytest.raises(BenchmarkError, match=r"a\.png is a RGB image; a mask is a palette or grey PNG"):
        read(folder).truth("a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": []}, "names is "),
        ({"names": ["red", " , ", "blue"]}, "none empty"),
        ({"kinds": ["thing"]}, "kinds has 1 entries of .*each of the 3 names"),
        ({"kinds": ["thing", "beast", "stuff"]}, "has to say thing or stuff"),
        ({"subsets": {"warm": ["orange"]}}, r"subsets\.warm has \['orange'\]"),
        ({"held_out": ["zebra"]}, r"held_out has \['zebra'\], which ImageSets"),
        ({"background": {"index": 9, "names": []}}, "background is .*index of a class"),
        ({"background": {"index": 2}}, "background is .*accepted: null, or"),
        ({"background": {"index": 2, "names": ["lime"]}}, r"background\.names has \['lime'\]"),
        ({"classes": 3}, "it has to hold .*'background'"),
    ],
)
def test_a_description_that_does_not_hold_together_is_refused(folder, changes, message):
    describe(folder, **changes)
    with pytest.raises(BenchmarkError, match=r"benchmark\.json.*" + message):
        read(folder)


def test_an_id_counts_once_and_an_empty_split_is_refused(folder):
    split = folder / "ImageSets/Segmentation/val.txt"
    split.write_text("a\nb\na\n")
    with pytest.raises(BenchmarkError, match=r"names \['a'\] more than once"):
        read(folder)
    split.write_text("\n")
    with pytest.raises(BenchmarkError, match="is empty"):
        read(folder)


def test_ids_cannot_leave_the_folder(folder):
    (folder / "ImageSets/Segmentation/val.txt").write_text("../JPEGImages/a\n")
    with pytest.raises(BenchmarkError, match="is missing"):
        read(folder)
