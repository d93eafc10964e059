"""Loss curves, one TSV per loss in DVCLive's layout (`step<TAB>value`), without wall times."""

from collections.abc import Mapping
from typing import Any

from ovseg_core import files


class Curves:
    """Means over `every` steps. Its state is plain numbers, so that a resumed run writes the same files."""

    def __init__(self, every: int, state: Mapping[str, Any] | None = None) -> None:
        self.every = every
        self.points: dict[str, list[list[float]]] = {}
        self.sums: dict[str, list[float]] = {}  # since the last point: total and number of values
        if state:
            self.points, self.sums = dict(state["points"]), dict(state["sums"])

    def add(self, step: int, values: Mapping[str, float]) -> bool:
        """Take in the losses of a step (counted from 0); True where that ended a point."""
        for name, value in values.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = [total + value, count + 1]
        if (step + 1) % self.every:
            return False
        self.end_point(step + 1)
        return True

    def end_point(self, step: int) -> None:
        """Put the steps since the last point into one at `step`; a run may end between two."""
        for name, (total, count) in self.sums.items():
            self.points.setdefault(name, []).append([step, total / count])
        self.sums = {}

    @property
    def state(self) -> dict[str, Any]:
        """JSON-able; hand it to a new instance to go on."""
        return {"points": self.points, "sums": self.sums}

    def last(self) -> dict[str, float]:
        """The latest point of every curve."""
        return {name: points[-1][1] for name, points in self.points.items()}

    def write(self, folder: str) -> None:
        """`{folder}/{loss}.tsv` for every loss."""
        for name, points in self.points.items():
            lines = [f"{int(step)}\t{value:.6g}" for step, value in points]
            content = "\n".join(["step\tvalue", *lines]) + "\n"
            files.write_bytes(files.join(folder, f"{name}.tsv"), content.encode())
