"""Every number of every reading in one long table, which is also `reports/comparison.csv`."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep

COLUMNS = ["run", "method", "seed", "benchmark", "metric", "value"]
Row = tuple[str, str, int, str, str, float]


@dataclass(frozen=True)
class Scores:
    """What the evaluations of a sweep say. Rows hold the reading's own name as `run`, as the CSV does."""

    rows: list[Row]
    protocols: dict[str, dict[str, Any]] = field(default_factory=dict)  # benchmark -> its protocol
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # reading -> how it reads the model
    benchmark_data: dict[str, list[str]] = field(default_factory=dict)  # benchmark -> its fingerprints
    training_data: dict[str, list[str]] = field(default_factory=dict)  # benchmark -> of the corpora
    unread: dict[str, list[str]] = field(default_factory=dict)  # benchmark -> names that no caption has
    absent: list[str] = field(default_factory=list)  # run/seed/benchmark without a metrics.json

    def values(self, reading: str, benchmark: str, metric: str) -> list[float]:
        """One value per seed, in the order of the seeds; what is not a number is left out."""
        found = [row[5] for row in self.rows if (row[0], row[3], row[4]) == (reading, benchmark, metric)]
        return [value for value in found if math.isfinite(value)]

    def seeds(self, benchmark: str) -> list[int]:
        """The seeds that were evaluated on a benchmark."""
        return sorted({row[2] for row in self.rows if row[3] == benchmark})

    def metrics(self, benchmark: str) -> set[str]:
        """Names of the metrics that some reading has on a benchmark."""
        return {row[4] for row in self.rows if row[3] == benchmark}

    def csv(self) -> bytes:
        """The content of `reports/comparison.csv`."""
        lines = [",".join(COLUMNS)]
        lines += [",".join([*map(str, row[:5]), f"{row[5]:.6g}"]) for row in self.rows]
        return ("\n".join(lines) + "\n").encode()


def load(sources: Sources, sweep: Sweep) -> Scores:
    """Read `reports/runs/{run}/{seed}/{benchmark}/metrics.json` of every cell of the sweep.

    Only what params.yaml names is read: results of a run that was renamed may still lie in the folder.
    """
    scores = Scores([])
    for benchmark in sweep.benchmarks:
        for run in sweep.runs:
            for seed in sweep.seeds:
                content = sources.json("reports/runs", run, str(seed), benchmark, "metrics.json")
                if content is None:
                    scores.absent.append(f"{run}/{seed}/{benchmark}")
                else:
                    _add(scores, sweep, run, seed, benchmark, content)
    return scores


def _add(scores: Scores, sweep: Sweep, run: str, seed: int, benchmark: str, content: dict[str, Any]) -> None:
    protocol = dict(content.get("protocol") or {})
    scores.inputs.update(protocol.pop("readings", {}))
    scores.protocols.setdefault(benchmark, protocol)
    model = content.get("model") or {}
    _note(scores.benchmark_data, benchmark, [content.get("fingerprint")])
    _note(scores.training_data, benchmark, [model.get("corpus")])
    _note(scores.unread, benchmark, model.get("unread_names") or [])
    method = str(sweep.runs[run].get("method", ""))
    for reading, metrics in content["readings"].items():
        for metric, value in sorted(metrics.items()):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                scores.rows.append((reading, method, seed, benchmark, metric, float(value)))


def _note(known: dict[str, list[str]], benchmark: str, found: list[Any]) -> None:
    names = known.setdefault(benchmark, [])
    names += [name for name in dict.fromkeys(map(str, filter(None, found))) if name not in names]


def mean_and_spread(values: list[float]) -> tuple[float, float | None]:
    """Mean, and the standard deviation of a sample where there are at least two values."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return float(np.mean(values)), spread
