"""How every number was read: what all benchmarks share, what differs, and how each reading asks the model."""

from collections.abc import Mapping
from typing import Any

from ovseg_core.reporting.blocks import Block, Cell, Section, Table, missing
from ovseg_core.reporting.naming import in_order, name_cell
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.sweep import Sweep


def section(scores: Scores, sweep: Sweep) -> Section:
    """The protocol of every metrics.json, one column per benchmark where they differ."""
    names = in_order([name for name in sweep.benchmarks if name in scores.protocols])
    if not names:
        return Section("protocols", "Protocols", [missing("Nothing has been evaluated.")])
    given = {name: dict(flatten(scores.protocols[name])) for name in names}
    for name in names:
        given[name]["benchmark fingerprint"] = ", ".join(scores.benchmark_data.get(name, [])) or "unknown"
        given[name]["training fingerprint"] = ", ".join(scores.training_data.get(name, [])) or "unknown"
    keys = list(dict.fromkeys(key for pairs in given.values() for key in pairs))
    shared = [key for key in keys if len({pairs.get(key) for pairs in given.values()}) == 1]
    blocks: list[Block] = []
    if differing := [_row(key, given, names) for key in keys if key not in shared]:
        blocks.append(Table(["", *names], differing, "Protocol: what differs between the benchmarks."))
    if shared:
        rows = [_row(key, given, names[:1]) for key in shared]
        blocks.append(Table(["", " and ".join(names)], rows, "Protocol: what every number shares."))
    return Section("protocols", "Protocols", [*blocks, *_readings(scores, sweep)])


def _row(key: str, given: Mapping[str, Mapping[str, str]], names: list[str]) -> list[Cell]:
    css = "code" if "fingerprint" in key else "prose"
    return [
        Cell(key.replace("_", " "), css="name quiet"),
        *(Cell(given[name].get(key, "–"), css=css) for name in names),
    ]


def _readings(scores: Scores, sweep: Sweep) -> list[Table]:
    """One row per reading; the columns are whatever its settings are called."""
    readings = [reading for reading in sweep.readings() if reading.name in scores.inputs]
    columns = list(dict.fromkeys(key for reading in readings for key in scores.inputs[reading.name]))
    rows = [
        [name_cell(r), *(Cell(str(scores.inputs[r.name].get(c, "–"))) for c in columns)] for r in readings
    ]
    caption = "How each reading asks its model."
    return [Table(["", *(column.replace("_", " ") for column in columns)], rows, caption)] if rows else []


def flatten(content: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (key, value) texts, keys joined by dots."""
    if isinstance(content, Mapping):
        inner = ((f"{prefix}.{name}" if prefix else str(name), value) for name, value in content.items())
        return [pair for name, value in inner for pair in flatten(value, name)]
    if isinstance(content, list):
        return [(prefix, ", ".join(map(str, content)))]
    return [(prefix, "none" if content is None else str(content))]
