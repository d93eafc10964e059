"""Classifications of the truth's regions beside the truth, checked before they are scored.

Predictions are JSON, an entry for each region (box, thing mask or stuff mask) of the truth:

    [{"image_id": 9, "id": 8345037, "category_ids": [51, 47, 50], "scores": [0.8, 0.1, 0.05]}, ...]

`id` is that of the annotation (COCO instances) or of the segment (COCO panoptic), `category_ids` are the best
classes, the best first, five for a Top-5; `scores` may be left out, in [0, 1] they make an ECE.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ovseg_core.evaluation import panoptic_files
from ovseg_core.evaluation.coco_files import is_finite
from ovseg_core.evaluation.score_error import is_id, read_truth, refuse, repeated


@dataclass(frozen=True)
class RegionCalls:
    """R regions and what they are called; classes are numbered in the order of the truth's categories."""

    ranked: np.ndarray  # (R, K) int64, best class first, -1 beyond those given
    labels: np.ndarray  # (R,) int64
    confidence: np.ndarray | None  # (R,) of the best class, in [0, 1]


def read_regions(rows: list[Any], predictions: Path, truth: Path) -> tuple[dict[str, Any], RegionCalls]:
    """Read the truth and check it and the `rows` of the file `predictions`; crowds are no regions.

    Raises:
        ScoreError: naming the file and the first entries at fault.
    """
    known = read_truth(truth)
    _check_truth(known, truth)
    index = {entry["id"]: place for place, entry in enumerate(known["categories"])}
    regions = dict(_regions(known))
    _check(rows, regions, set(index), predictions)
    width = max(len(row["category_ids"]) for row in rows)
    ranked = np.full((len(rows), width), -1, np.int64)
    for line, row in zip(ranked, rows, strict=True):
        line[: len(row["category_ids"])] = [index[name] for name in row["category_ids"]]
    labels = np.array([index[regions[row["image_id"], row["id"]]] for row in rows], np.int64)
    scored = all("scores" in row for row in rows)
    confidence = np.array([row["scores"][0] for row in rows], float) if scored else None
    inside = confidence is not None and bool(((confidence >= 0) & (confidence <= 1)).all())
    return known, RegionCalls(ranked, labels, confidence if inside else None)


def _check_truth(known: dict[str, Any], path: Path) -> None:
    if "segments_info" in known["annotations"][0]:
        panoptic_files.check_truth(known, path)
        return
    parts = ("id", "image_id", "category_id")
    lacking = [n for n, e in enumerate(known["annotations"]) if not all(is_id(e.get(part)) for part in parts)]
    refuse(lacking, path, "annotations without id, image_id or category_id, all whole numbers")
    keys = [(entry["image_id"], entry["id"]) for entry in known["annotations"]]
    refuse(repeated(keys), path, "regions (image, id) that come more than once")
    categories = {entry["id"] for entry in known["categories"]}
    strange = [
        k for k, e in zip(keys, known["annotations"], strict=True) if e["category_id"] not in categories
    ]
    refuse(strange, path, "regions (image, id) of unknown categories")


def _regions(truth: dict[str, Any]) -> Iterator[tuple[tuple[int, int], int]]:
    """(image, id) -> category of every annotation or segment that is no crowd."""
    for entry in truth["annotations"]:
        for region in entry.get("segments_info", [entry]):
            if not region.get("iscrowd"):
                yield (entry["image_id"], region["id"]), region["category_id"]


def _check(rows: list[Any], regions: dict[tuple[int, int], int], categories: set[int], path: Path) -> None:
    def whole(row: Any) -> bool:
        named = row.get("category_ids") if isinstance(row, dict) else None
        return (
            isinstance(named, list)
            and bool(named)
            and all(map(is_id, [row.get("image_id"), row.get("id"), *named]))
        )

    text = "entries without image_id, id or category_ids, all whole numbers"
    refuse([n for n, row in enumerate(rows) if not whole(row)], path, text)
    keys = [(row["image_id"], row["id"]) for row in rows]
    there = set(keys)
    refuse(
        [key for key in keys if key not in regions], path, "regions (image, id) that the truth does not have"
    )
    refuse(repeated(keys), path, "regions (image, id) that come more than once")
    refuse(
        [key for key in regions if key not in there],
        path,
        "regions (image, id) of the truth without a prediction",
    )
    strange = [
        (key, n)
        for key, row in zip(keys, rows, strict=True)
        for n in row["category_ids"]
        if n not in categories
    ]
    refuse(strange, path, "categories ((image, id), category) that the truth does not have")
    twice = [key for key, row in zip(keys, rows, strict=True) if repeated(row["category_ids"])]
    refuse(twice, path, "regions (image, id) that name a category more than once")
    unsound = [key for key, row in zip(keys, rows, strict=True) if not _sound_scores(row)]
    refuse(
        unsound,
        path,
        "regions (image, id) whose scores are no finite numbers, one a category, the best first",
    )
    partly = [key for key, row in zip(keys, rows, strict=True) if "scores" not in row]
    refuse(
        partly if len(partly) < len(rows) else [],
        path,
        "regions (image, id) without scores, which others have",
    )


def _sound_scores(row: dict[str, Any]) -> bool:
    scores = row.get("scores")
    if scores is None:
        return "scores" not in row
    sound = (
        isinstance(scores, list) and len(scores) == len(row["category_ids"]) and all(map(is_finite, scores))
    )
    return sound and all(a >= b for a, b in itertools.pairwise(scores))
