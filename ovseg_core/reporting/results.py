"""The comparison: per benchmark a table and a figure, mean and spread over seeds."""

from dataclasses import dataclass

from ovseg_core.reporting import charts, figures
from ovseg_core.reporting.blocks import Block, Cell, Figure, Heading, Section, Table, missing
from ovseg_core.reporting.charts import Line, Panel
from ovseg_core.reporting.naming import ROLES, in_order, name_cell, provenance, role
from ovseg_core.reporting.scores import Scores, mean_and_spread
from ovseg_core.reporting.sweep import Reading, Sweep


@dataclass(frozen=True)
class Column:
    """One metric of the comparison table."""

    metric: str  # its name in metrics.json
    title: str
    group: str


# start of the metric's name, its title, the suffixes that are shown; None: also the benchmark's own subsets
GROUPS: list[tuple[str, str, list[str | None]]] = [
    ("foreground_miou", "foreground mIoU", ["", None]),
    ("miou", "mIoU", ["", "thing", "stuff", None]),
    ("miou_held_out", "held-out mIoU", ["thing"]),
    ("grounding_miou", "grounding mIoU", ["", "thing"]),
    ("recall", "mask recall", ["50", "70", "90"]),
    ("mask", "mask probing", ["probe"]),
    ("probe", "probe, top-1", ["thing_top1", "stuff_top1"]),
]
TITLES = {"": "all", "thing": "things", "stuff": "stuff", "thing_top1": "things", "stuff_top1": "stuff",
          "50": "R50", "70": "R70", "90": "R90", "probe": "best IoU"}  # fmt: skip
HEADLINE = {"foreground mIoU", "mIoU", "held-out mIoU"}


def section(scores: Scores, sweep: Sweep) -> Section:
    """Runs, then a table and a figure per benchmark; what is held back for testing comes first."""
    blocks: list[Block] = [runs_table(sweep)]
    for benchmark in in_order(sweep.benchmarks):
        blocks.append(Heading(benchmark, tag=ROLES.get(role(benchmark), "")))
        blocks += compare(scores, sweep, benchmark)
    if scores.absent:
        blocks.append(missing(f"Not evaluated yet: {', '.join(scores.absent)}."))
    return Section("results", "Results", blocks)


def compare(scores: Scores, sweep: Sweep, benchmark: str) -> list[Block]:
    """The table and the figure of one benchmark."""
    present = scores.metrics(benchmark)
    readings = [r for r in sweep.readings() if scores.values(r.name, benchmark, "miou")]
    if not readings:
        return [missing(f"No reading has been evaluated on {benchmark}.")]
    columns = columns_of(present)
    headline = [column for column in columns if column.group in HEADLINE]
    return [
        score_table(scores, readings, columns, benchmark),
        Figure(
            svg=score_figure(scores, readings, headline, benchmark),
            caption=f"mIoU as above: mean (dot) and single seeds (ticks). {provenance(scores, benchmark)}",
            alt=f"mIoU of {len(readings)} readings on {benchmark}",
        ),
    ]


def columns_of(present: set[str]) -> list[Column]:
    """The columns of the comparison table, out of the metrics that some reading has."""
    columns = []
    for start, group, suffixes in GROUPS:
        fixed = [suffix for suffix in suffixes if suffix is not None]
        if None in suffixes:
            others = {name.removeprefix(f"{start}_") for name in present if name.startswith(f"{start}_")}
            fixed += sorted(n for n in others if n not in TITLES and not n.startswith("held_out"))
        for suffix in fixed:
            metric = f"{start}_{suffix}" if suffix else start
            if metric in present:
                columns.append(Column(metric, TITLES.get(suffix, suffix.replace("_", " ")), group))
    return columns


def runs_table(sweep: Sweep) -> Table:
    """What each run and each reading is."""
    rows = []
    for reading in sweep.readings():
        change = reading.change if reading.number else sweep.change_of(reading.run)
        method = str(sweep.runs[reading.run].get("method", "")) if not reading.number else "same model"
        what = change or "the settings of params.yaml as they are"
        rows.append([name_cell(reading), Cell(method), Cell(what, css="code" if change else "quiet")])
    caption = "Runs, and further readings of the same trained model. † is given the true masks: a ceiling."
    return Table(["run or reading", "method", "changes"], rows, caption)


def score_table(scores: Scores, readings: list[Reading], columns: list[Column], benchmark: str) -> Table:
    """Readings by metrics; the best of every column is set bold, oracles left out."""
    best = {c.metric: _best(scores, readings, benchmark, c.metric) for c in columns}
    rows = []
    for reading in readings:
        cells = [
            score_cell(scores.values(reading.name, benchmark, c.metric), best[c.metric]) for c in columns
        ]
        rows.append([name_cell(reading), *(_oracle(cell) if reading.oracle else cell for cell in cells)])
    groups = [("", 1)]
    for column in columns:
        title, span = groups[-1]
        groups[-1:] = [(title, span + 1)] if title == column.group else [(title, span), (column.group, 1)]
    many = len(scores.seeds(benchmark)) > 1
    spread = "Mean ± standard deviation over seeds" if many else "One seed, so no spread is known"
    caption = f"{benchmark}, in percent. {spread}; best in bold. {provenance(scores, benchmark)}"
    return Table(["", *(column.title for column in columns)], rows, caption, groups)


def score_figure(scores: Scores, readings: list[Reading], columns: list[Column], benchmark: str):
    """Lollipops of the headline metrics."""
    lines = [
        Line(
            r.label,
            r.colour,
            [scores.values(r.name, benchmark, c.metric) for c in columns],
            r.oracle,
        )
        for r in readings
    ]
    panels = [Panel(f"{c.group}, {c.title}") for c in columns]
    return figures.draw(f"scores-{benchmark}", charts.lollipops, lines, panels)


def score_cell(values: list[float], best: float) -> Cell:
    """`62.3 ± 0.8`, or a dash."""
    if not values:
        return Cell("–", css="number quiet")
    mean, spread = mean_and_spread(values)
    note = "" if spread is None else f"±{spread:.1f}"
    return Cell(f"{mean:.1f}", note, "number best" if round(mean, 1) == best else "number")


def _best(scores: Scores, readings: list[Reading], benchmark: str, metric: str) -> float:
    means = [
        round(mean_and_spread(values)[0], 1)
        for r in readings
        if not r.oracle and (values := scores.values(r.name, benchmark, metric))
    ]
    return max(means, default=float("nan"))


def _oracle(cell: Cell) -> Cell:
    return Cell(cell.text, cell.note, cell.css.replace(" best", "") + " quiet", cell.swatch)
