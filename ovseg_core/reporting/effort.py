"""What the stages cost: items, time, start-up, drops."""

from typing import Any

from ovseg_core.reporting.blocks import Cell, Remark, Section, Table, missing
from ovseg_core.reporting.naming import summary
from ovseg_core.reporting.sources import Sources

ORDER = ["web", "download", "extract", "curate", "features", "teach", "pseudo_label", "oracle", "train"]
ORDER += ["self_label", "self_train", "evaluate"]
MOST_ROWS = 6  # cells of one stage that are listed one by one; above, they are summed up


def throughput(sources: Sources) -> Section:
    """One row per stage: what it did, how fast, and how much of its time was start-up."""
    logs = {
        name.removesuffix(".json"): sources.json("logs", name)
        for name in sources.listing("logs", suffix=".json")
    }
    stages = sorted({name.partition("-")[0] for name in logs}, key=_place)
    rows = [row for stage in stages for row in _merge(stage, logs)]
    if not rows:
        return Section("throughput", "Throughput", [missing("No logs: the folder logs/ is empty.")])
    seconds, startup = sum(row["seconds"] for row in rows), sum(row["startup_s"] for row in rows)
    longest = max(row["seconds"] for row in rows) or 1.0
    total = Remark(
        f"Added up, stages took {duration(seconds)}, {100 * startup / max(seconds, 1e-9):.0f} % of it "
        "start-up (imports, Ray); of trainings that ran side by side each counts in full. A stage that did "
        "not have to run again keeps the time of its last run."
    )
    columns = ["stage", "items", "", "per second", "time", "", "start-up", "dropped"]
    caption = (
        "Throughput. Items per second leave start-up out, which is the light part of the bar. A rerun counts "
        "only the items that it had to do."
    )
    table = Table(columns, [_cells(row, longest) for row in rows], caption)
    return Section("throughput", "Throughput", [total, table])


def duration(seconds: float) -> str:
    """`7 min 05 s`, `42.3 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    return (
        f"{minutes} min {round(seconds) % 60:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def _place(stage: str) -> tuple[int, str]:
    return (ORDER.index(stage) if stage in ORDER else len(ORDER), stage)


def _merge(stage: str, logs: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one stage: a row per cell of its matrix, or one for all where there are many."""
    logs = {name: log for name, log in logs.items() if name.partition("-")[0] == stage}
    if len(logs) <= MOST_ROWS:
        return [{**log, "name": _name(stage, name)} for name, log in sorted(logs.items())]
    drops: dict[str, int] = {}
    for log in logs.values():
        for reason, count in log["drops"].items():
            drops[reason] = drops.get(reason, 0) + count
    whole = {key: sum(log[key] for log in logs.values()) for key in ("items", "seconds", "startup_s")}
    rate = whole["items"] / max(whole["seconds"] - whole["startup_s"], 1e-9)
    unit = next(iter(logs.values()))["unit"]
    return [{**whole, "name": f"{stage} (all {len(logs)})", "unit": unit, "per_second": rate, "drops": drops}]


def _name(stage: str, name: str) -> str:
    """`train-openseg-0` -> `train: openseg-0`."""
    rest = name.removeprefix(stage).lstrip("-")
    return f"{stage}: {rest}" if rest else stage


def _cells(row: dict[str, Any], longest: float) -> list[Cell]:
    start = 100 * row["startup_s"] / longest
    work = 100 * row["seconds"] / longest - start
    share = row["startup_s"] / max(row["seconds"], 1e-9)
    return [
        Cell(row["name"], css="name"),
        Cell(f"{row['items']:,}", css="number"),
        Cell(row["unit"], css="quiet"),
        Cell(f"{row['per_second']:,.1f}", css="number"),
        Cell(duration(row["seconds"]), css="number"),
        Cell("", css="bars", bar=(start, work)),
        Cell(f"{100 * share:.0f} %", css="number"),
        Cell(summary(row["drops"], 3) or "nothing", css="small" if row["drops"] else "small quiet"),
    ]
