"""Which differences between readings are more than the luck of the images: paired bootstraps."""

from collections.abc import Mapping, Sequence

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


def section(sources: Sources, scores: Scores, sweep: Sweep) -> Section:
    """A table per benchmark."""
    blocks: list[Block] = []
    for benchmark in in_order(sweep.benchmarks):
        blocks.append(Heading(benchmark, tag=ROLES.get(role(benchmark), "")))
        blocks.append(_compared(sources, scores, sweep, benchmark))
    return Section("significance", "Significance", blocks)


def _compared(sources: Sources, scores: Scores, sweep: Sweep, benchmark: str) -> Block:
    try:
        drawn = draw_readings(read_counts(sources, sweep, benchmark))
        above = who_is_above(
            {r.name: drawn[r.name] for r in sweep.readings() if r.name in drawn and not r.oracle}
        )
    except ValueError as error:  # results of another state of the benchmark lie beside these
        return missing(f"No comparison on {benchmark}: {error}.")
    readings = [reading for reading in sweep.readings() if reading.name in drawn]
    if not readings:
        return missing(f"No per_image.parquet for {benchmark}.")
    return _table(readings, drawn, above, f"{benchmark}. {provenance(scores, benchmark)}")


def read_counts(sources: Sources, sweep: Sweep, benchmark: str) -> dict[str, list[PerImageIoU]]:
    """Reading -> the pixel counts of its images, once per seed that was evaluated."""
    counts: dict[str, list[PerImageIoU]] = {}
    for run in sweep.runs:
        for seed in sweep.seeds:
            table = sources.table("reports/runs", run, str(seed), benchmark, "per_image.parquet")
            for reading, found in _by_reading(table).items() if table else ():
                counts.setdefault(reading, []).append(found)
    return counts


def _by_reading(table: pa.Table) -> dict[str, PerImageIoU]:
    num_classes = (pc.max(table["class"]).as_py() or 0) + 1
    readings = pc.unique(table["reading"]).to_pylist()
    return {
        name: from_table(table.filter(pc.equal(table["reading"], name)), num_classes) for name in readings
    }


def draw_readings(counts: Mapping[str, Sequence[PerImageIoU]]) -> dict[str, Drawn]:
    """Reading -> its mean IoUs in draws of images that are the same for all of them."""
    return {name: bootstrap.draw(seeds, seed=SEED) for name, seeds in counts.items()}


def who_is_above(drawn: Mapping[str, Drawn]) -> dict[str, list[str]]:
    """Reading -> those that a paired bootstrap puts it above."""
    return {
        name: [
            other for other in drawn if other != name and bootstrap.compare(drawn[name], drawn[other]).above
        ]
        for name in drawn
    }


def _table(
    readings: Sequence[Reading], drawn: Mapping[str, Drawn], above: Mapping[str, Sequence[str]], where: str
) -> Table:
    rows = []
    for reading in readings:
        found = bootstrap.interval(drawn[reading.name])
        bounds = "–" if np.isnan(found.low) else f"{100 * found.low:.1f} to {100 * found.high:.1f}"
        others = ", ".join(above.get(reading.name, [])) or "–"
        rows.append(
            [
                name_cell(reading),
                Cell(f"{100 * found.value:.1f}", css="number"),
                Cell(bounds, css="number"),
                Cell("an oracle, not compared" if reading.oracle else others, css="prose"),
            ]
        )
    columns = ["", "mIoU", f"{100 * bootstrap.LEVEL:.0f} % over images", "above"]
    return Table(columns, rows, f"{_caption(drawn)} {where}")


def _caption(drawn: Mapping[str, Drawn]) -> str:
    first = next(iter(drawn.values()))
    many = any(len(one.values) > 1 for one in drawn.values())
    seeds = "drawn anew for each" if many else "one each: what another training would change is not in it"
    return (
        "mIoU of all classes in percent, mean over seeds, with its bootstrap interval over "
        f"{len(first.images)} images ({first.values.shape[1] - 1} draws). Above: the difference is above 0 "
        "in 97.5 % of the draws of a paired bootstrap, the same images for both, seeds "
        f"{seeds}. Each pair by itself: no correction for their number."
    )
