"""Which differences between readings are more than the luck of the images: paired bootstraps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core.metrics import bootstrap
from ovseg_core.metrics.bootstrap import Drawn
from ovseg_core.metrics.per_image import PerImageIoU, from_table
from ovseg_core.reporting.blocks import Block, Cell, Heading, Section, Table, missing
from ovseg_core.reporting.naming import ROLES, in_order, name_cell, provenance, role
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Reading, Sweep

SEED = 0
FEW = 4  # names that are listed in any case
# title -> the metric in per_image.parquet, and which classes the mean is over ("": all)
HEADLINES = {
    "foreground mIoU": ("foreground_miou", ""),
    "mIoU": ("miou", ""),
    "mIoU, things": ("miou", "thing"),
    "mIoU, stuff": ("miou", "stuff"),
    "held-out mIoU, things": ("miou_held_out", "thing"),
    "grounding mIoU": ("grounding_miou", ""),
    "mask recall, R50": ("recall_50", ""),
}


@dataclass
class Counts:
    """What per_image.parquet holds of one benchmark."""

    # metric -> reading -> the counts of its images, once per seed that was evaluated
    by_metric: dict[str, dict[str, list[PerImageIoU]]] = field(default_factory=dict)
    classes: dict[str, set[int]] = field(default_factory=dict)  # of each kind


def section(sources: Sources, scores: Scores, sweep: Sweep) -> Section:
    """A table per benchmark."""
    blocks: list[Block] = []
    for benchmark in in_order(sweep.benchmarks):
        blocks.append(Heading(benchmark, tag=ROLES.get(role(benchmark), "")))
        blocks.append(_compared(sources, scores, sweep, benchmark))
    return Section("significance", "Significance", blocks)


def _compared(sources: Sources, scores: Scores, sweep: Sweep, benchmark: str) -> Block:
    counts = read_counts(sources, sweep, benchmark)
    rows: list[list[Cell]] = []
    drawn: dict[str, Drawn] = {}
    try:
        for title, (metric, kind) in HEADLINES.items():
            classes = sorted(counts.classes.get(kind, ())) if kind else None
            found = draw_readings(counts.by_metric.get(metric, {}), classes)
            rows += _rows(title, [r for r in sweep.readings() if r.name in found], found)
            drawn = drawn or found
    except ValueError as error:  # results of another state of the benchmark lie beside these
        return missing(f"No comparison on {benchmark}: {error}.")
    if not rows:
        return missing(f"No per_image.parquet for {benchmark}.")
    columns = ["", "", "mean", f"{100 * bootstrap.LEVEL:.0f} % over images", "above"]
    return Table(columns, rows, f"{_caption(drawn)} {benchmark}. {provenance(scores, benchmark)}")


def read_counts(sources: Sources, sweep: Sweep, benchmark: str) -> Counts:
    """The counts of every image, of all runs and seeds."""
    counts = Counts()
    for run in sweep.runs:
        for seed in sweep.seeds:
            table = sources.table("reports/runs", run, str(seed), benchmark, "per_image.parquet")
            if table:
                _add(counts, table)
    return counts


def _add(counts: Counts, table: pa.Table) -> None:
    num_classes = pc.max(table["class"]).as_py() + 1
    for entry in table.group_by(["class", "kind"]).aggregate([]).to_pylist():
        counts.classes.setdefault(entry["kind"], set()).add(entry["class"])
    for metric in pc.unique(table["metric"]).to_pylist():
        part = table.filter(pc.equal(table["metric"], metric))
        for reading in pc.unique(part["reading"]).to_pylist():
            found = from_table(part.filter(pc.equal(part["reading"], reading)), num_classes)
            counts.by_metric.setdefault(metric, {}).setdefault(reading, []).append(found)


def draw_readings(
    counts: Mapping[str, Sequence[PerImageIoU]], classes: Sequence[int] | None = None
) -> dict[str, Drawn]:
    """Reading -> its means in draws of images that are the same for all; only of those that have a number."""
    drawn = {name: bootstrap.draw(seeds, classes, seed=SEED) for name, seeds in counts.items()}
    return {name: one for name, one in drawn.items() if not np.isnan(one.values[:, 0]).any()}


def who_is_above(drawn: Mapping[str, Drawn]) -> dict[str, list[str]]:
    """Reading -> those that a paired bootstrap puts it above."""
    return {
        name: [
            other for other in drawn if other != name and bootstrap.compare(drawn[name], drawn[other]).above
        ]
        for name in drawn
    }


def _rows(title: str, readings: Sequence[Reading], drawn: Mapping[str, Drawn]) -> list[list[Cell]]:
    above = who_is_above({r.name: drawn[r.name] for r in readings if not r.oracle})
    said = {name: in_words(found, [n for n in above if n != name]) for name, found in above.items()}
    rows: list[list[Cell]] = []
    for reading in readings:
        found = bootstrap.interval(drawn[reading.name])
        bounds = "–" if np.isnan(found.low) else f"{100 * found.low:.1f} to {100 * found.high:.1f}"
        rows.append(
            [
                Cell(title if not rows else "", css="name"),
                name_cell(reading),
                Cell(f"{100 * found.value:.1f}", css="number"),
                Cell(bounds, css="number"),
                Cell(said.get(reading.name, "an oracle, not compared"), css="prose"),
            ]
        )
    return rows


def in_words(above: Sequence[str], others: Sequence[str]) -> str:
    """Those names, or in a large sweep those that are missing, where they are fewer."""
    rest = [name for name in others if name not in above]
    if len(above) <= FEW or len(rest) >= len(above):
        return ", ".join(above) or "–"
    return "all but " + ", ".join(rest) if rest else "all others"


def _caption(drawn: Mapping[str, Drawn]) -> str:
    first = next(iter(drawn.values()))
    many = any(len(one.values) > 1 for one in drawn.values())
    seeds = "drawn anew for each" if many else "one each: what another training would change is not in it"
    return (
        "In percent, mean over seeds, with its bootstrap interval over "
        f"{len(first.images)} images ({first.values.shape[1] - 1} draws); held-out scenes are drawn among "
        "themselves. Above: the difference is above 0 in 97.5 % of the draws of a paired bootstrap, the same "
        f"images for both, seeds {seeds}. Each pair by itself: no correction for their number."
    )
