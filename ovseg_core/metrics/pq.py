"""Panoptic quality (Kirillov et al., arXiv:1801.00868, Eq. 1) of COCO panoptic predictions.

The matching is hotcoco's, which is compared in the tests with panopticapi's published rules. What goes in has
to be sound: `evaluation.panoptic_files` checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotcoco.panoptic import PanopticEval

GROUPS = {"All": "", "Things": "_thing", "Stuff": "_stuff"}


def panoptic_quality(
    truth: Mapping[str, Any], predictions: Mapping[str, Any], truth_folder: Path, prediction_folder: Path
) -> dict[str, Any]:
    """PQ = SQ * RQ: over matched segments (IoU above 0.5) the mean IoU, times the F1 of the matching.

    A segment's pixels in the void of the truth count neither for nor against it, and an unmatched one that
    lies by more than half in void or in a crowd of its class is not false. Means are over the classes that
    occur in either (panopticapi).

    Args:
        truth, predictions: COCO panoptic JSON: `annotations` with `image_id`, `file_name`, `segments_info`
            (`id`, `category_id`; `iscrowd` and `area` in the truth); the truth's `categories` have `isthing`.
        truth_folder, prediction_folder: where the PNGs are, whose colours are the ids, R + 256 G + 256^2 B.

    Returns:
        `pq`, `sq`, `rq` in [0, 1], each also `_thing` and `_stuff`, NaN without such classes; and
        `per_class`: category id -> PQ of the classes that occur.
    """
    scorer = PanopticEval(
        dict(truth), dict(predictions), gt_folder=str(truth_folder), pred_folder=str(prediction_folder)
    )
    scorer.evaluate()
    found = scorer.results()
    numbers: dict[str, Any] = {}
    for group, suffix in GROUPS.items():
        for name in ("pq", "sq", "rq"):
            known = found[group]["n"] > 0
            numbers[name + suffix] = float(found[group][name]) if known else float("nan")
    classes = found["per_class"].items()
    numbers["per_class"] = {key: float(entry["pq"]) for key, entry in classes if entry["pq"] >= 0}
    return numbers
