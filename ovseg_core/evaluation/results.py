"""What the evaluation of one model on one benchmark leaves behind: numbers, their protocol, pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.benchmarks.background import OWN, describe, with_background
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.evaluation import overlays
from ovseg_core.evaluation.scoreboard import MEANS, Scoreboard
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.metrics.iou import CONVENTIONS
from ovseg_core.metrics.per_image import to_table

SHORTEST, LONGEST = 128, 320  # pixels of a gallery picture
PER_IMAGE = ["reading", "metric", "image", "class", "kind", "hits", "predicted", "true"]
COLUMNS = ["reading", "class", "kind", "iou", "pixels"]


def protocol(benchmark: Benchmark, readings: Mapping[str, EvalSettings]) -> dict[str, Any]:
    """Everything that a number depends on besides the model: to be printed with it."""
    return {
        "benchmark": benchmark.name,
        "description": benchmark.protocol,
        "images": len(benchmark.ids) - len(benchmark.held_out),
        "held_out_images": len(benchmark.held_out),
        "classes": len(benchmark.names),
        "queried_names": sum(map(len, benchmark.queries)),
        "synonyms": "a class has the maximum over its names",
        "background": describe(benchmark),
        "metric": CONVENTIONS["mmseg"],
        "grounding": "only the classes of an image's truth are queried",
        "recall": "of one segment per class and image, by proposals of any class",
        "probe": "top-1 of the truth's regions over all classes, scores averaged over the region",
        "scored_at": "the size of the truth; scores upsampled bilinearly",
        "unit": "percent",
        "readings": {
            name: {
                "use_proposals": settings.use_proposals,
                "prompts": settings.prompts,
                "input": f"short side {settings.short_side} pixels" if settings.short_side else "as stored",
                "cluster_weight": settings.cluster_weight,
                "centring": settings.centring,
                "max_proposals": settings.max_proposals,
                **_own_background(benchmark, settings),
            }
            for name, settings in readings.items()
        },
    }


def _own_background(benchmark: Benchmark, settings: EvalSettings) -> dict[str, str]:
    if settings.background == OWN:
        return {}
    return {"background": describe(with_background(benchmark, settings.background))}


def metrics(
    benchmark: Benchmark,
    readings: Mapping[str, EvalSettings],
    boards: Mapping[str, Scoreboard],
    model: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of metrics.json. `model` says which weights were read."""
    return {
        "protocol": protocol(benchmark, readings),
        "fingerprint": benchmark.fingerprint(),
        "model": dict(model),
        "readings": {
            name: board.numbers(with_background(benchmark, readings[name].background))
            for name, board in boards.items()
        },
    }


def write(
    out: Path | str,
    benchmark: Benchmark,
    boards: Mapping[str, Scoreboard],
    keep: Sequence[str],
    content: Mapping[str, Any],
) -> None:
    """Write all of it into `out`; `keep` are the ids of the gallery, `content` comes from `metrics`."""
    gallery = files.join(out, "gallery")
    for stale in files.listing(gallery, ".png"):  # of other readings or scenes
        files.remove(stale)
    write_gallery(gallery, benchmark, boards, keep)
    files.write_bytes(files.join(out, "per_class.csv"), per_class(benchmark, boards))
    shards.write_table(files.join(out, "per_image.parquet"), per_image(benchmark, boards))
    # Numbers only: `dvc metrics show` makes a column of every value, of the words of the protocol too.
    files.write_json(files.join(out, "scores.json"), content["readings"][content["model"]["run"]])
    files.write_json(files.join(out, "metrics.json"), content)


def per_image(benchmark: Benchmark, boards: Mapping[str, Scoreboard]) -> pa.Table:
    """The content of per_image.parquet: counts by reading, metric, image and class."""
    kinds = list(benchmark.kinds)
    if benchmark.background:
        kinds[benchmark.background.index] = "background"
    tables = []
    for name, board in boards.items():
        for metric, counted in board.per_image.items():
            table = to_table(counted)
            named = kinds if metric in MEANS else [""]  # a recall knows no classes
            columns = {"reading": [name] * len(table), "metric": [metric] * len(table)}
            columns["kind"] = [named[index] for index in table["class"].to_pylist()]
            for column, values in columns.items():
                table = table.append_column(column, pa.array(values, pa.string()))
            tables.append(table.select(PER_IMAGE))
    return pa.concat_tables(tables)


def per_class(benchmark: Benchmark, boards: Mapping[str, Scoreboard]) -> bytes:
    """The content of per_class.csv."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, board in boards.items():
        writer.writerows([name, *row] for row in board.per_class(benchmark))
    return buffer.getvalue().encode()


def write_gallery(
    folder: Path | str, benchmark: Benchmark, boards: Mapping[str, Scoreboard], ids: Sequence[str]
) -> None:
    """Draw the chosen scenes: image, truth, and the class map of every reading that names pixels."""
    named = {name: board.maps for name, board in boards.items() if board.maps}
    colours = overlays.palette(len(benchmark.names))
    for key in ids:
        image, truth = benchmark.image(key), benchmark.truth(key)
        small, _ = overlays.fit(image, truth, SHORTEST, LONGEST)
        files.write_bytes(files.join(folder, f"{key}.image.png"), overlays.png(small))
        maps = {"truth": truth, **{name: drawn[key] for name, drawn in named.items()}}
        for name, labels in maps.items():
            _write_map(folder, f"{key}.{name}", image, labels, colours)
    legend = [
        {"name": benchmark.title(index), "color": "#" + bytes(colour).hex()}
        for index, colour in enumerate(colours)
    ]
    files.write_json(
        files.join(folder, "index.json"), {"ids": list(ids), "readings": list(named), "legend": legend}
    )


def _write_map(
    folder: Path | str, name: str, image: np.ndarray, labels: np.ndarray, colours: np.ndarray
) -> None:
    picture = overlays.overlay(*overlays.fit(image, labels, SHORTEST, LONGEST), colours)
    files.write_bytes(files.join(folder, f"{name}.png"), overlays.png(picture))
    files.write_bytes(files.join(folder, f"{name}.map.png"), overlays.class_map_png(labels, colours))
