"""IoU of every class and the probe: what each reading knows, and of what."""

import csv
import io
from collections import defaultdict

import numpy as np

from ovseg_core.reporting import charts, figures
from ovseg_core.reporting.blocks import Block, Figure, Remark, Section, missing
from ovseg_core.reporting.charts import Line, Panel
from ovseg_core.reporting.naming import in_order, provenance, role
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep

MOST_CLASSES = 40  # bars that still fit a page; of a larger vocabulary the most frequent are drawn
KINDS = {"thing": "things", "stuff": "stuff"}
PROBE = (
    "The probe asks what a model knows apart from where it draws: scores averaged over the true outline of a "
    "region, and the best class taken. Backgrounds are learnt long before things: one number would hide it."
)
Rows = dict[tuple[str, str], list[float]]  # (reading, class) -> IoU in percent, one per seed


def per_class(sources: Sources, scores: Scores, sweep: Sweep) -> Section:
    """Bars of IoU per class: benchmarks held back for testing, or all where there is none of that kind."""
    tests = [name for name in sweep.benchmarks if role(name) == "test"]
    blocks: list[Block] = []
    for benchmark in tests or in_order(sweep.benchmarks):
        blocks += _class_figure(sources, scores, sweep, benchmark)
    return Section("classes", "Classes", blocks)


def probe(scores: Scores, sweep: Sweep) -> Section:
    """Top-1 of the truth's regions against chance: a panel per benchmark and kind of class."""
    benchmarks = [name for name in in_order(sweep.benchmarks) if "probe_chance" in scores.metrics(name)]
    if not benchmarks:
        return Section("probe", "Probe", [missing("No reading has a probe.")])
    # a probe reads the model and not its regions, so further readings of a run would only repeat it
    readings = [r for r in sweep.readings() if not r.number]
    cells = [(name, kind) for name in benchmarks for kind in ("thing", "stuff")]
    lines = [
        Line(r.name, r.colour, [scores.values(r.name, n, f"probe_{kind}_top1") for n, kind in cells])
        for r in readings
    ]
    panels = [Panel(f"{name}, {KINDS[kind]}", _chance(scores, sweep, name)) for name, kind in cells]
    svg = figures.draw("probe", charts.lollipops, lines, panels)
    where = " ".join(f"{name}: {provenance(scores, name)}" for name in benchmarks)
    caption = f"Region top-1 in percent, mean and single seeds; dashed: chance. {where}"
    return Section("probe", "Probe", [Remark(PROBE), Figure(svg, caption, f"Probe of {len(readings)} runs")])


def _chance(scores: Scores, sweep: Sweep, benchmark: str) -> float | None:
    found = [value for run in sweep.runs for value in scores.values(run, benchmark, "probe_chance")]
    return found[0] if found else None


def _class_figure(sources: Sources, scores: Scores, sweep: Sweep, benchmark: str) -> list[Block]:
    values, kinds, pixels = read_classes(sources, sweep, benchmark)
    readings = [r for r in sweep.readings() if any(name == r.name for name, _ in values)]
    if not readings:
        return [missing(f"No per_class.csv for {benchmark}.")]
    names = sorted(kinds, key=lambda name: (-pixels[name], name))[:MOST_CLASSES]
    first = readings[0].name
    # things above stuff, each from what the first reading does best
    names.sort(key=lambda name: (kinds[name] != "thing", -np.mean(values.get((first, name)) or [0.0]), name))
    breaks = [i for i in range(1, len(names)) if kinds[names[i]] != kinds[names[i - 1]]]
    lines = [Line(r.label, r.colour, [values.get((r.name, n), []) for n in names]) for r in readings]
    svg = figures.draw(f"classes-{benchmark}", charts.class_bars, names, lines, breaks)
    cut = f" The {len(names)} classes with most pixels of {len(kinds)}." if len(names) < len(kinds) else ""
    caption = (
        f"IoU per class on {benchmark}, in percent, mean over seeds (line: lowest to highest). Things above "
        f"the rule, stuff below, each in the order of {first}.{cut} {_unread(scores, benchmark)}"
        f"{provenance(scores, benchmark)}"
    )
    return [Figure(svg, caption, f"IoU of {len(names)} classes for {len(readings)} readings on {benchmark}")]


def _unread(scores: Scores, benchmark: str) -> str:
    names = scores.unread.get(benchmark)
    return f"Asked for, but in no caption of the training data: {', '.join(names)}. " if names else ""


def read_classes(
    sources: Sources, sweep: Sweep, benchmark: str
) -> tuple[Rows, dict[str, str], dict[str, float]]:
    """All `per_class.csv` of a benchmark: IoU per reading and class, and per class its kind and pixels."""
    values: Rows = defaultdict(list)
    kinds: dict[str, str] = {}
    pixels: dict[str, float] = {}
    for run in sweep.runs:
        for seed in sweep.seeds:
            content = sources.bytes("reports/runs", run, str(seed), benchmark, "per_class.csv") or b""
            for row in csv.DictReader(io.StringIO(content.decode())):
                kinds[row["class"]], pixels[row["class"]] = row["kind"], float(row["pixels"] or 0)
                if row["iou"] and np.isfinite(float(row["iou"])):
                    values[row["reading"], row["class"]].append(float(row["iou"]))
    return dict(values), kinds, pixels
