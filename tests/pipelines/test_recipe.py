"""Applying a recipe changes only what it says, keeps the comments, and reports every change."""

from pathlib import Path

import pytest

from ovseg_core import params
from ovseg_core.params import ParamError
from pipelines import recipe, settings

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


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_that_ships_resolves(name, tmp_path):
    target = tmp_path / "params.yaml"
    target.write_bytes(Path("params.yaml").read_bytes())
    folder = recipe.parse_override("web.folder=photos")  # which `photos` leaves to its user
    recipe.apply([recipe.load(name), folder], target)
    assert settings.resolve(params.read(target))
