"""How the runs trained: what they come to, and how their losses fell."""

import csv
import io
from typing import Any

import numpy as np

from ovseg_core.reporting import charts, figures
from ovseg_core.reporting.blocks import Block, Cell, Figure, Section, Table, missing
from ovseg_core.reporting.charts import Curve
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep


def section(sources: Sources, sweep: Sweep) -> Section:
    """A row per run, and a panel per loss."""
    blocks = [*_runs(sources, sweep), *_curves(sources, sweep)]
    return Section("training", "Training", blocks)


def _runs(sources: Sources, sweep: Sweep) -> list[Block]:
    """Size and length of each run and the losses that it ended with, means over its seeds."""
    rows = []
    for run in sweep.runs:
        found = [sources.json("models", run, str(seed), "summary.json") for seed in sweep.seeds]
        if summaries := [summary for summary in found if summary is not None]:
            corpora = [_corpus(sources, run, seed) for seed in sweep.seeds]
            corpus = Cell(", ".join(dict.fromkeys(filter(None, corpora))) or "unknown", css="code")
            rows.append([Cell(run, css="name", swatch=sweep.colours[run]), *_facts(summaries), corpus])
    columns = ["run", "parameters", "trained", "steps", "images", "precision", "losses at the end", "data"]
    caption = "Runs as trained; losses are means over the last steps and all seeds."
    return [Table(columns, rows, caption)] if rows else []


def _corpus(sources: Sources, run: str, seed: int) -> str:
    """Fingerprint of the data that a model was trained on; "" where no model is there."""
    return str((sources.json("models", run, str(seed), "config.json") or {}).get("corpus", ""))[:12]


def _facts(summaries: list[dict[str, Any]]) -> list[Cell]:
    first = summaries[0]
    numbers = [f"{first[name]:,}" for name in ("parameters", "trained_parameters", "steps", "images")]
    losses = {name: float(np.mean([s["losses"][name] for s in summaries])) for name in first["losses"]}
    ended = ", ".join(f"{name} {value:.3g}" for name, value in sorted(losses.items()))
    return [*(Cell(text, css="number") for text in numbers), Cell(first["precision"]), Cell(ended)]


def _curves(sources: Sources, sweep: Sweep) -> list[Block]:
    """Losses over steps: a panel per loss, every run that has it, its seeds over each other."""
    by_loss: dict[str, list[Curve]] = {}
    for run in sweep.runs:
        for seed in sweep.seeds:
            for name in sources.listing("models", run, str(seed), "curves", suffix=".tsv"):
                content = sources.bytes("models", run, str(seed), "curves", name) or b""
                by_loss.setdefault(name.removesuffix(".tsv"), []).append(
                    read_curve(sweep.colours[run], content)
                )
    if not by_loss:
        return [missing("No curves: no model of the sweep has been trained.")]
    panels = dict(sorted(by_loss.items()))
    svg = figures.draw("curves", charts.curves, panels, columns=min(4, len(panels)))
    caption = f"Training curves over steps, each run in its colour. {_seeds(sweep)}"
    return [Figure(svg, caption, f"Curves of {len(panels)} losses")]


def read_curve(colour: str, content: bytes) -> Curve:
    """One `curves/{loss}.tsv`: DVCLive's layout, a `step` column and the value in the last one."""
    rows = list(csv.reader(io.StringIO(content.decode()), delimiter="\t"))[1:]
    return Curve(colour, [float(row[0]) for row in rows], [float(row[-1]) for row in rows])


def _seeds(sweep: Sweep) -> str:
    seeds = ", ".join(map(str, sweep.seeds))
    return f"Seeds {seeds}, a line each." if len(sweep.seeds) > 1 else f"Seed {seeds}."
