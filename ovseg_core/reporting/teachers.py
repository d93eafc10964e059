"""The labelling teachers' masks against the truth of the benchmarks: the ceiling of what learns from them."""

from typing import Any

from ovseg_core.reporting.blocks import Block, Cell, Table
from ovseg_core.reporting.naming import in_order
from ovseg_core.reporting.sources import Sources

FOLDER = "reports/teachers"
COLUMNS = {
    "oracle_miou": "oracle mIoU",
    "mask_probe": "best IoU",
    "recall_50": "R50",
    "recall_70": "R70",
    "masks": "masks per image",
}


def table(sources: Sources) -> list[Block]:
    """A row per teacher and benchmark; [] where no teacher was compared with a truth."""
    names = [name.removesuffix(".json") for name in sources.listing(FOLDER, suffix=".json")]
    found = {name: sources.json(FOLDER, f"{name}.json") or {} for name in names}
    rows = [
        [
            Cell(name, css="name"),
            Cell(str(content["teacher"].get("kind", ""))),
            Cell(benchmark),
            *_cells(numbers),
        ]
        for name, content in found.items()
        for benchmark, numbers in _by_benchmark(content)
    ]
    caption = (
        "Masks of the labelling teachers on the benchmarks, chosen as training chooses them. Oracle mIoU: "
        "every mask gets the commonest class of its pixels from the truth, which no model knows."
    )
    return [Table(["teacher", "kind", "benchmark", *COLUMNS.values()], rows, caption)] if rows else []


def _by_benchmark(content: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    numbers = content["benchmarks"]
    return [(name, numbers[name]) for name in in_order(list(numbers))]


def _cells(numbers: dict[str, float]) -> list[Cell]:
    return [Cell(f"{numbers[name]:.1f}" if name in numbers else "", css="number") for name in COLUMNS]
