"""Applying a recipe changes only what it says, keeps the comments, and reports every change."""

import subprocess

import pytest
import shipped
from ruamel.yaml import YAML

from ovseg_core import params
from ovseg_core.params import ParamError
from pipelines import recipe

FILE = """\
runs: # what is trained
  a: {method: openseg}
train:
  steps: 300 # of the optimiser
  ema: null
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "params.yaml").write_text(FILE)
    return tmp_path / "params.yaml"


def test_sections_are_merged_and_runs_are_replaced(file):
    lines = recipe.apply([{"train": {"steps": 5}, "runs": {"b": {"method": "lseg"}}}], file)
    assert lines == ["train.steps: 300 -> 5", "runs: {a: {method: openseg}} -> {b: {method: lseg}}"]
    assert params.read(file) == {"runs": {"b": {"method": "lseg"}}, "train": {"steps": 5, "ema": None}}
    assert "steps: 5   # of the optimiser" in file.read_text()
    assert "ema: null" in file.read_text()


def test_an_override_reaches_into_one_run_and_leaves_the_others(file):
    assert recipe.apply([], file, ["runs.a.train={steps: 7}"]) == ["runs.a.train: null -> {steps: 7}"]
    assert params.read(file)["runs"] == {"a": {"method": "openseg", "train": {"steps": 7}}}


def test_an_override_is_read_as_yaml(file):
    assert recipe.parse_override("train.steps=1e-3") == {"train": {"steps": 1e-3}}
    with pytest.raises(ParamError, match=r"accepted: section\.key=value"):
        recipe.parse_override("train.steps")


def test_an_unknown_key_is_refused_with_the_known_ones(file):
    with pytest.raises(ParamError, match=r"train\.stepz is 5: there is no such key; train has steps, ema"):
        recipe.apply([{"train": {"stepz": 5}}], file)
    assert file.read_text() == FILE


def test_an_unknown_recipe_answers_with_the_known_ones():
    with pytest.raises(ParamError, match=r"accepted: .*toy-ablations"):
        recipe.find("opensegg")


@pytest.mark.parametrize("old", ["- b\n  - c", "[b, c]", "b"])
@pytest.mark.parametrize("new", ["d", "[d]", "[]", "{k: [1, {l: 2}]}"])
def test_a_value_of_another_shape_keeps_the_comment_and_what_follows(old, new, tmp_path):
    file = tmp_path / "params.yaml"
    value = f"a: # why\n  {old}" if old.startswith("-") else f"a: {old} # why"
    file.write_text(f"d:\n  {value}\n  m: 3\n\ne:\n  f: 1\n")
    recipe.apply([], file, [f"d.a={new}"])
    assert params.read(file) == {"d": {"a": YAML(typ="safe").load(new), "m": 3}, "e": {"f": 1}}
    assert "# why" in file.read_text()


@pytest.mark.parametrize("text", [b"runs: a: b", b"runs: a"])
def test_what_would_not_read_back_is_not_written(text, file, monkeypatch):
    monkeypatch.setattr(YAML, "dump", lambda self, document, stream: stream.write(text))
    with pytest.raises(ParamError, match=r"would not read back .*: train\.steps: 300 -> 5"):
        recipe.apply([{"train": {"steps": 5}}], file)
    assert file.read_text() == FILE


def test_recipes_may_be_laid_over_each_other(tmp_path):
    target = shipped.lay(tmp_path)
    for name in [*recipe.names(), *reversed(recipe.names())]:
        recipe.apply([recipe.load(name)], target)
        assert params.read(target)["runs"] == recipe.load(name).get("runs", params.read(target)["runs"])


def test_a_file_that_git_does_not_hold_so_counts_as_edited(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "params.yaml"
    file.write_text(FILE)
    assert not recipe.edited(file)
    git("init")
    git("add", "params.yaml")
    git("commit", "-m", "first")
    assert not recipe.edited(file)
    recipe.apply([{"train": {"steps": 5}}], file)
    assert recipe.edited(file)
