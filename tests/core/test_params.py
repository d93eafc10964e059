"""Wrong parameters are refused with the full key, the value given and what is accepted."""

from dataclasses import dataclass
from typing import Literal

import pytest

from ovseg_core import params
from ovseg_core.params import ParamError, build, check, merge


@dataclass(frozen=True, kw_only=True)
class Inner:
    side: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    lr: float
    mode: Literal["fast", "slow"]
    limit: int | None
    scales: tuple[float, ...]
    inner: Inner

    def __post_init__(self):
        check(self.lr > 0, "train.lr", self.lr, "above 0")


GOOD = {"lr": 1, "mode": "fast", "limit": None, "scales": [1, 2.5], "inner": {"side": 3}}


def test_builds_nested_settings_and_takes_an_integer_for_a_float():
    settings = build(GOOD, "train", Settings)
    assert settings == Settings(lr=1.0, mode="fast", limit=None, scales=(1.0, 2.5), inner=Inner(side=3))
    assert isinstance(settings.lr, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": "fast"}, "train.lr is 'fast'; it has to be of type float"),
        ({"lr": True}, "train.lr is True; it has to be of type float"),
        ({"lr": -1.0}, "train.lr is -1.0; accepted: above 0"),
        ({"mode": "medium"}, "train.mode is 'medium'; accepted: fast, slow"),
        ({"limit": 2.5}, r"train.limit is 2.5; it has to be of type int \(or null\)"),
        ({"scales": [1, "x"]}, r"train.scales\[1\] is 'x'"),
        ({"inner": {"side": "a"}}, "train.inner.side is 'a'; it has to be of type int"),
        ({"inner": 3}, "train.inner is 3; it has to be a section"),
        ({"sped": 3}, "train.sped is 3: there is no such key; train has inner, limit, lr, mode, scales"),
    ],
)
def test_a_wrong_value_is_named_with_its_full_key(change, message):
    with pytest.raises(ParamError, match=message):
        build({**GOOD, **change}, "train", Settings)


def test_a_missing_key_is_named():
    with pytest.raises(ParamError, match=r"train lacks train\.lr"):
        build({name: value for name, value in GOOD.items() if name != "lr"}, "train", Settings)


def test_a_missing_section_is_named(tmp_path):
    (tmp_path / "params.yaml").write_text("web: {port: 1}\n")
    with pytest.raises(ParamError, match="section 'train' is missing"):
        params.load(tmp_path / "params.yaml", "train", Settings)


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    (tmp_path / "params.yaml").write_text("train: {lr: 1e-4}\n")
    assert params.read(tmp_path / "params.yaml")["train"]["lr"] == 1e-4


def test_broken_yaml_is_a_parameter_error(tmp_path):
    (tmp_path / "params.yaml").write_text("train: {lr: \n")
    with pytest.raises(ParamError, match="not valid YAML"):
        params.read(tmp_path / "params.yaml")


def test_merge_goes_down_sections_and_replaces_lists():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert merge(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base["a"]["y"] == [1, 2]
