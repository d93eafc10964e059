"""What is missing, half copied or unknown is named; names and backgrounds can be changed."""

from pathlib import Path

import numpy as np
import pytest
from made_data import grey_png, panoptic, photo, put, voc

from ovseg_core.benchmarks.background import describe, with_background
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.benchmarks.load import load
from ovseg_core.benchmarks.registry import BENCHMARKS
from ovseg_core.params import ParamError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_an_empty_folder_says_what_is_missing_and_where_it_comes_from(tmp_path, name):
    entry = BENCHMARKS[name]
    with pytest.raises(BenchmarkError) as caught:
        load(name, tmp_path)
    text = str(caught.value)
    assert f"{tmp_path}/" in text
    assert "is missing" in text
    assert text.endswith(f"{entry.title} needs {entry.layout}; it comes from {entry.source}")
    with pytest.raises(BenchmarkError, match="nowhere is missing"):
        load(name, tmp_path / "nowhere")


def test_an_unknown_benchmark_answers_with_the_known_ones(tmp_path):
    with pytest.raises(BenchmarkError, match=r"benchmark is 'voc12'; known: voc20, voc21, .*folder, "):
        load("voc12", tmp_path)


def test_half_a_copy_names_the_first_missing_file(tmp_path):
    voc(tmp_path)
    home = tmp_path / "VOCdevkit/VOC2012"
    (home / "SegmentationClass/2007_000042.png").unlink()
    with pytest.raises(BenchmarkError, match=r"Class/2007_000042\.png is missing, as are 0 more of the 2"):
        load("voc21", tmp_path)
    (home / "JPEGImages/2007_000033.jpg").unlink()
    with pytest.raises(
        BenchmarkError, match=r"JPEGImages/2007_000033\.jpg is missing.*it comes from http://host"
    ):
        load("voc20", tmp_path)
    (home / "ImageSets/Segmentation/val.txt").write_text("")
    with pytest.raises(BenchmarkError, match=r"val\.txt is empty"):
        load("voc20", tmp_path)


def test_half_an_annotation_file_is_named(tmp_path):
    content = panoptic(tmp_path)
    path = tmp_path / "annotations/panoptic_val2017.json"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BenchmarkError, match=r"panoptic_val2017\.json is not valid JSON.*half a download"):
        load("coco-panoptic", tmp_path)
    put(path, {**content, "categories": []})
    with pytest.raises(BenchmarkError, match="image 000000000042 has category 1, which is not listed"):
        load("coco-panoptic", tmp_path)
    del content["annotations"][0]["file_name"]
    put(path, content)
    with pytest.raises(BenchmarkError, match="an entry of the annotations lacks 'file_name'"):
        load("coco-panoptic", tmp_path)
    put(path, {"images": []})
    with pytest.raises(BenchmarkError, match="has no 'annotations'"):
        load("coco-panoptic", tmp_path)


def test_other_names_may_be_asked_for(tmp_path):
    voc(tmp_path)
    path = tmp_path / "names.txt"
    path.write_text("\n".join(f"{number}:word {number}, more {number}" for number in range(1, 21)))
    benchmark = load("voc21", tmp_path, names=str(path))
    assert benchmark.queries[1] == ["word 1", "more 1"]
    assert "sky" in benchmark.queries[0]  # the background keeps its rule
    path.write_text("cat\ndog\n")
    with pytest.raises(BenchmarkError, match=r"names\.txt has 2 names; voc21 has 20 classes"):
        load("voc21", tmp_path, names=str(path))


@pytest.mark.parametrize(
    ("rule", "asked", "counts", "words"),
    [
        ("benchmark", 39, True, "one of 39 further names are background"),
        ("none", 0, False, "neither queried nor counted"),
        ("names", 39, True, "one of 39"),
        ("names=sky, wall", 2, True, "one of 2"),
        ("threshold=0.9", 0, True, "highest probability is below 0.9"),
    ],
)
def test_rules_for_the_background_by_name(tmp_path, rule, asked, counts, words):
    benchmark = with_background(load("voc21", voc(tmp_path)), rule)
    assert len(benchmark.queries[0]) == asked
    assert benchmark.counted == list(range(0 if counts else 1, 21))
    assert words in describe(benchmark)


@pytest.mark.parametrize("rule", ["", "threshold", "threshold=2", "threshold=x", "name", "none=1", "names=,"])
def test_a_rule_that_does_not_exist_is_refused(tmp_path, rule):
    with pytest.raises(ParamError, match="background is "):
        with_background(load("voc21", voc(tmp_path)), rule)


def test_a_rule_needs_a_background_and_names_of_no_other_class(tmp_path):
    voc(tmp_path)
    with pytest.raises(ParamError, match="every class of voc20 is named"):
        with_background(load("voc20", tmp_path), "threshold=0.5")
    with pytest.raises(ParamError, match="puppy are names of other classes"):
        with_background(load("voc21", tmp_path), "names=sky,puppy")


def test_a_benchmark_of_the_graph_is_found_by_its_folder(tmp_path):
    home = tmp_path / "toy-val"
    put(home / "JPEGImages/a.jpg", photo(2, 2))
    put(home / "SegmentationClass/a.png", grey_png(np.zeros((2, 2))))
    put(home / "ImageSets/Segmentation/val.txt", "a\n")
    about = {
        "names": ["sky"],
        "kinds": ["stuff"],
        "background": None,
        "held_out": [],
        "subsets": {},
        "protocol": "",
    }
    put(home / "benchmark.json", {"name": "toy-val", **about})
    assert load("toy-val", tmp_path).truth("a").tolist() == [[0, 0], [0, 0]]


def test_the_documentation_has_every_benchmark_as_it_is():
    lines = (ROOT / "docs/benchmarks.md").read_text().splitlines()
    for name, entry in BENCHMARKS.items():
        cells = [f"`{name}`", entry.title, entry.classes, entry.kinds, entry.void, entry.background]
        cells += [", ".join(entry.metrics), entry.layout, entry.source]
        assert f"| {' | '.join(cells)} |" in lines
