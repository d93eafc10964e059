"""Sets of things and stuff."""

import json

import pyarrow as pa
import pytest

from ovseg_core import shards
from ovseg_core.text.categories import COCO_STUFF, COCO_THINGS, PANOPTIC_STUFF, build, kind_of, union
from pipelines.cli import main


def test_the_sets_of_coco_have_as_many_names_as_published():
    assert (len(COCO_THINGS), len(COCO_STUFF), len(PANOPTIC_STUFF)) == (80, 91, 53)
    small, large = build("coco-panoptic-133", 0), build("coco-stuff-171", 0)
    assert (len(small["names"]), small["kinds"].count("thing")) == (133, 80)
    assert (len(large["names"]), large["kinds"].count("thing")) == (171, 80)
    assert set(small["names"]) < set(large["names"])


@pytest.mark.parametrize(
    ("entry", "kind"),
    [("sky", "stuff"), ("brick wall", "stuff"), ("wall clock", "thing"), ("sofa, couch", "thing"),
     ("sea, ocean", "stuff"), ("dog", "thing"), ("Swimming Pool", "stuff")],
)  # fmt: skip
def test_what_fills_an_image_is_stuff(entry, kind):
    assert kind_of(entry) == kind


def test_names_of_a_file_with_sections_and_synonyms(tmp_path):
    (tmp_path / "mine.txt").write_text("Sofa, couch\nsky\n[stuff]\ndog\n[things]\nsea\n")
    assert build(str(tmp_path / "mine.txt"), 0) == {
        "name": "mine",
        "names": ["sofa, couch", "sky", "dog", "sea"],
        "kinds": ["thing", "stuff", "stuff", "thing"],
    }


def test_a_benchmark_and_the_nouns_of_a_corpus(tmp_path):
    given = {"name": "toy", "names": ["fish", "sea, water"], "kinds": ["thing", "stuff"], "protocol": "x"}
    (tmp_path / "benchmark.json").write_text(json.dumps(given))
    assert build(str(tmp_path / "benchmark.json"), 0)["names"] == ["fish", "sea, water"]
    nouns = {
        "noun": ["dog", "day", "sky", "cat"],
        "documents": [9, 8, 7, 6],
        "entity": [True, False, True, True],
    }
    shards.write_table(tmp_path / "nouns.parquet", pa.table(nouns))
    found = build(str(tmp_path / "nouns.parquet"), 2)
    assert (found["names"], found["kinds"]) == (["dog", "sky"], ["thing", "stuff"])


def test_a_union_leaves_out_what_is_there_under_any_name():
    first = {"name": "a", "names": ["sofa, couch", "sky"], "kinds": ["thing", "stuff"]}
    second = {"name": "b", "names": ["couch", "lamp"], "kinds": ["thing", "thing"]}
    assert union([first, second]) == {
        "name": "a+b",
        "names": ["sofa, couch", "sky", "lamp"],
        "kinds": ["thing", "stuff", "thing"],
    }


def test_from_the_command_line_two_sources_make_one_set(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("sofa, couch\nharp\n")
    main(
        [
            "categories",
            "coco-panoptic-133",
            str(tmp_path / "mine.txt"),
            "--output",
            str(tmp_path / "set.json"),
        ]
    )
    made = json.loads((tmp_path / "set.json").read_text())
    assert made["names"][-1] == "harp"
    assert len(made["names"]) == 134
    assert "134 categories, 81 of them things" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "dog\npuppy, dog\n", "dog in two entries"),
        ("a.json", "[1]", "has to have `names`"),
        ("a.json", '{"names": ["dog"], "kinds": ["animal"]}', "a thing or stuff"),
    ],
)
def test_what_is_no_set_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        build(str(tmp_path / name), 0)
    with pytest.raises(ValueError, match="neither a file nor one of coco-panoptic-133"):
        build("none", 0)
