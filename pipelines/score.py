"""`ovseg score`: anybody's predictions beside their truth; a table on stdout, every number as JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ovseg_core import files
from ovseg_core.evaluation.score import score as numbers_of

WORDS = ("task", "protocol", "convention", "iou_type")


def score(
    task: str, predictions: Path, truth: Path, json: Path | None = None, **options: Any
) -> dict[str, Any]:
    """Score, print the table, write the JSON where it is asked for; returns what the JSON holds.

    Raises:
        ScoreError: naming what is wrong with the files; nothing is written then.
    """
    found = numbers_of(task, predictions, truth, **options)
    print("\n".join(table(found)))
    if json:
        files.write_json(json, found)
    return found


def table(found: dict[str, Any]) -> Iterator[str]:
    """Lines of the table: what was scored and how, then a number a line, in percent."""
    kind = f" ({found['iou_type']})" if "iou_type" in found else ""
    yield f"{found['task']}{kind}: {found['protocol']}"
    yield ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in found["counts"].items())
    for name, value in found.items():
        if name not in (*WORDS, "counts", "per_class"):
            yield f"  {name:<16}{'–' if value is None else f'{100 * value:.2f}':>8}"
