"""The same scenes through every step, on a benchmark: image, truth and what every reading predicts."""

import math
import re
from typing import Any

from ovseg_core.records import BadSample
from ovseg_core.reporting import groups, teachers
from ovseg_core.reporting.blocks import Block, Gallery, Heading, Section, Strip, Tile, missing
from ovseg_core.reporting.naming import ROLES, in_order, provenance, role
from ovseg_core.reporting.pictures import embed
from ovseg_core.reporting.scenes import training_scenes
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Reading, Sweep

HEX = re.compile(r"#[0-9a-fA-F]{6}")
MOST_COLUMNS = 9  # above, a scene wraps into several lines of labelled images, about equally long
Indices = dict[str, tuple[int, dict[str, Any]]]  # run -> (seed, its gallery/index.json)


def section(sources: Sources, scores: Scores, sweep: Sweep, settings: ReportSettings) -> Section:
    """Training scenes from caption to masks, then a gallery per benchmark."""
    if settings.gallery == 0:
        return Section("gallery", "Gallery", [missing("Left out: report.gallery is 0.")])
    blocks: list[Block] = [Heading("Training scenes"), training_scenes(sources, settings)]
    blocks += teachers.table(sources)
    for benchmark in in_order(sweep.benchmarks):
        blocks.append(Heading(benchmark, tag=ROLES.get(role(benchmark), "")))
        blocks.append(benchmark_scenes(sources, scores, sweep, settings, benchmark))
    return Section("gallery", "Gallery", [*blocks, *groups.blocks(sources, sweep)])


def benchmark_scenes(
    sources: Sources, scores: Scores, sweep: Sweep, settings: ReportSettings, benchmark: str
) -> Block:
    """The scenes that the evaluation of every run has drawn, one strip each."""
    indices = _indices(sources, sweep, benchmark)
    shared = [set(index["ids"]) for _, index in indices.values()]
    if not shared or not (common := set.intersection(*shared)):
        return missing(
            f"No gallery for {benchmark}: the evaluations have drawn no scene that all of them share."
        )
    first = next(iter(indices.values()))[1]
    chosen = [scene for scene in first["ids"] if scene in common][: settings.gallery]
    readings = [r for r in sweep.readings() if r.run in indices and r.name in indices[r.run][1]["readings"]]
    strips = [Strip(scene, _tiles(sources, indices, readings, benchmark, scene)) for scene in chosen]
    legend = tuple(
        (entry["color"], entry["name"]) for entry in first["legend"] if HEX.fullmatch(entry["color"])
    )
    seeds = sorted({seed for seed, _ in indices.values()})
    caption = (
        f"Scenes of {benchmark}: image, truth and the class map of every reading, all names queried. "
        f"{provenance(scores, benchmark, seeds)}"
    )
    images = 2 + len(readings)
    return Gallery(strips, caption, math.ceil(images / math.ceil(images / MOST_COLUMNS)), legend)


def _indices(sources: Sources, sweep: Sweep, benchmark: str) -> Indices:
    """The gallery of every run that has one, of its first seed."""
    found: Indices = {}
    for run in sweep.runs:
        for seed in sweep.seeds:
            index = sources.json("reports/runs", run, str(seed), benchmark, "gallery", "index.json")
            if index is not None and run not in found:
                found[run] = (seed, index)
    return found


def _tiles(
    sources: Sources,
    indices: Indices,
    readings: list[Reading],
    benchmark: str,
    scene: str,
) -> list[Tile]:
    def tile(run: str, file: str, title: str, swatch: str = "") -> Tile:
        content = sources.bytes(
            "reports/runs", run, str(indices[run][0]), benchmark, "gallery", f"{scene}.{file}.png"
        )
        try:
            return Tile(embed(content) if content else "", title, swatch)
        except BadSample:
            return Tile("", title, swatch)

    first = next(iter(indices))
    drawn = [tile(r.run, r.name, r.label, r.colour) for r in readings]
    return [tile(first, "image", "image"), tile(first, "truth", "truth"), *drawn]
