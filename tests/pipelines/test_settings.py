"""params.yaml as it ships and every recipe resolve; wrong values are refused with their full key."""

import copy

import pytest
import shipped

from ovseg_core import files, params
from ovseg_core.params import ParamError
from pipelines import recipe, settings
from stages import resolve, train

DEFAULT = shipped.DEFAULT


def changed(path: str, value: object) -> dict:
    """The default parameters with one value replaced."""
    values = copy.deepcopy(DEFAULT)
    *folders, last = path.split(".")
    place = values
    for part in folders:
        place = place[part]
    place[last] = value
    return values


def test_the_default_resolves_with_a_runs_changes_in_place():
    resolved = settings.resolve(DEFAULT)
    assert {"teacher", "openseg", "clip_dense"} <= resolved.keys()
    assert resolved["teacher"].train["method"] == "masks"
    assert resolved["clip_dense"].train["data"]["pseudo"] is None
    assert resolved["openseg"].evaluate["readings"]["openseg-no-proposals"]["use_proposals"] == "none"


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_resolves(name, tmp_path):
    target = shipped.lay(tmp_path, {"web": {"folder": "photos"}})  # which `photos` leaves to its user
    assert recipe.apply([recipe.load(name)], target), "a recipe that changes nothing"
    settings.resolve(params.read(target))
    assert not recipe.apply([recipe.load(name)], target), "applied twice, it changes nothing more"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("web.port", "high", "web.port is 'high'"),
        ("train.lr", -1.0, r"train\.lr is -1\.0; accepted"),
        ("train.stepz", 3, r"train\.stepz is 3: there is no such key"),
        ("seeds", [0, 0], r"seeds is \[0, 0\]; accepted: a list of different"),
        ("seeds", [], "seeds is"),
        ("benchmarks", ["../x"], "benchmarks is"),
        (
            "runs.openseg",
            {"method": "opensegg"},
            r"runs\.openseg\.method is .*; accepted: .*clip_dense",
        ),
        (
            "runs.openseg",
            {"method": "openseg", "trian": {}},
            r"runs\.openseg\.trian is {}: there is no",
        ),
        ("runs.openseg", {"method": "openseg", "train": {"lr": "x"}}, r"in runs\.openseg: train\.lr is 'x'"),
        (
            "runs.openseg",
            {"method": "openseg", "data": {"pseudo": "sam"}},
            r"runs\.openseg\.data\.pseudo is",
        ),
        (
            "runs.openseg",
            {"method": "openseg", "data": {"words": "noun_adj_verb"}},
            r"runs\.openseg\.data\.words is 'noun_adj_verb'; accepted: null, noun_adj; curate.filter",
        ),
        (
            "runs.openseg",
            {"method": "openseg", "settings": {"regions": "frozen"}},
            r"runs\.openseg\.train\.start is None; accepted: a model folder, such as models/teacher",
        ),
        ("runs.openseg/x", {"method": "openseg"}, "runs is 'openseg/x'"),
        ("teachers.masks", {"kind": "sam"}, r"teachers\.masks\.kind is 'sam'; accepted: mask_model"),
        ("extra", {}, "params.yaml has extra"),
    ],
)
def test_a_wrong_value_is_refused_before_any_work(path, value, message):
    with pytest.raises(ParamError, match=message):
        settings.resolve(changed(path, value))


def test_a_missing_section_is_named():
    with pytest.raises(ParamError, match="lacks the sections train"):
        settings.resolve({name: value for name, value in DEFAULT.items() if name != "train"})


def test_two_readings_may_not_share_a_name():
    values = changed("runs.clip_dense", {"method": "clip_dense", "readings": {"openseg": {}}})
    with pytest.raises(ParamError, match="openseg names two readings"):
        settings.resolve(values)


def test_a_run_that_starts_from_the_teacher_has_it_trained():
    values = changed("teachers", recipe.load("sseg-toy")["teachers"])
    values["runs"] = {"masks-first": {"method": "openseg", "data": {"pseudo": None}}}
    assert "teacher" not in settings.resolve(values)
    values["runs"]["masks-first"]["train"] = {"start": "models/teacher"}
    assert settings.resolve(values)["teacher"].train["method"] == "masks"


def test_no_teacher_is_trained_where_none_is_read(tmp_path, monkeypatch):
    values = shipped.values(tmp_path, "sseg-toy")
    assert "teacher" not in settings.resolve(values)
    monkeypatch.setattr("sys.argv", ["resolve", "--out", str(tmp_path / "runs")])
    with monkeypatch.context() as patch:
        patch.setattr(params, "read", lambda path: values)
        resolve.main()
    assert files.read_json(tmp_path / "runs/teacher/train.json") == {"run": "teacher", "method": None}
    assert files.read_json(tmp_path / "runs/sseg-long-plus/label.json")["of"] == "sseg-long"
    given = ["train", str(tmp_path / "runs/teacher/train.json"), "--seed", "0"]
    monkeypatch.setattr(
        "sys.argv", [*given, "--out", str(tmp_path / "teacher"), "--log", str(tmp_path / "log.json")]
    )
    train.main("teach")
    assert list((tmp_path / "teacher").iterdir()) == []
    assert files.read_json(tmp_path / "log.json")["items"] == 0
