"""What the page compares: the runs of params.yaml, the readings of each, seeds, benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ovseg_core.reporting.figures import run_colours, tint


@dataclass(frozen=True)
class Reading:
    """One way to read one trained run. The run's own name is its first reading."""

    name: str
    run: str
    number: int  # place among the readings of its run; 0 is the run's own
    change: str  # what it changes, as `use_proposals: none`
    oracle: bool  # it is given the true masks, so it is no competitor
    colour: str  # its run's, lighter for further readings

    @property
    def label(self) -> str:
        """Its name, marked when it is an oracle."""
        return f"{self.name} †" if self.oracle else self.name


@dataclass(frozen=True)
class Sweep:
    """Runs, seeds and benchmarks of params.yaml; their order there is that of every table and figure."""

    runs: dict[str, dict[str, Any]]
    seeds: list[int]
    benchmarks: list[str]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Sweep":
        """The sweep that a whole params file describes; what learns from another run's labels comes last."""
        runs = {str(name): dict(run or {}) for name, run in content["runs"].items()}
        learnt = content.get("self_train") or {}
        for of, change in (content.get("plus") or {}).items():
            runs[f"{of}-plus"] = {"method": learnt.get("method"), "labels": of, **(change or {})}
        return cls(runs, list(content["seeds"]), [str(name) for name in content["benchmarks"]])

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of every run, the same all over the page."""
        return run_colours(self.runs)

    def readings(self) -> list[Reading]:
        """Every reading of every run, a run's own first."""
        found = []
        for run, content in self.runs.items():
            base = content.get("evaluate") or {}
            ways = {run: {}, **(content.get("readings") or {})}
            for number, (name, change) in enumerate(ways.items()):
                oracle = {**base, **change}.get("use_proposals") == "ground_truth"
                colour = tint(self.colours[run], number)
                found.append(Reading(name, run, number, flat(change), oracle, colour))
        return found

    def change_of(self, run: str) -> str:
        """What a run changes against the sections of params.yaml, in one line."""
        return flat({k: v for k, v in self.runs[run].items() if k not in ("method", "readings")})


def flat(change: Mapping[str, Any], prefix: str = "") -> str:
    """`{"data": {"pseudo": None}}` -> `data.pseudo: null`, several joined by commas."""
    parts = []
    for name, value in change.items():
        if isinstance(value, Mapping):
            parts.append(flat(value, f"{prefix}{name}."))
        else:
            parts.append(f"{prefix}{name}: {_plain(value)}")
    return ", ".join(part for part in parts if part)


def _plain(value: Any) -> str:
    """A value as YAML shows it."""
    return {None: "null", True: "true", False: "false"}.get(value, value) if _is_word(value) else str(value)


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)
