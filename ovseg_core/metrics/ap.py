"""Average precision of boxes and masks by COCO's and LVIS's rules, behind one function.

The matching and the curves are hotcoco's, which are compared in the tests with pycocotools and lvis-api and
equal them to the last bit. What goes in has to be sound: `evaluation.coco_files` checks it.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, cast

import hotcoco
import numpy as np

PROTOCOLS = {
    "coco": "COCO: the 100 best detections of an image and class, IoU 0.50 to 0.95",
    "lvis": "LVIS: the 300 best detections of an image, IoU 0.50 to 0.95; a class counts in the images that "
    "are annotated for it (federated)",
    "lvis-fixed": "LVIS, fixed AP (Dave et al., arXiv:2102.01066): the 10,000 best detections of a class "
    "over the data set, no limit per image; federated",
}
IOU_TYPES = ("bbox", "segm")
PER_CLASS = 10_000  # detections of a class over the data set in fixed AP (Dave et al., Sec. 5)


def average_precision(
    truth: Mapping[str, Any], predictions: Sequence[dict[str, Any]], iou_type: str, protocol: str = "coco"
) -> dict[str, Any]:
    """AP and AR of detections, in [0, 1]; NaN where the truth has nothing to find (pycocotools says -1).

    Annotations may have the id 0; pycocotools takes it for none and calls the detection that hits it false.

    Args:
        truth: COCO or LVIS annotations: `images`, `annotations`, `categories`. LVIS images carry
            `neg_category_ids` and `not_exhaustive_category_ids`, its categories `frequency` (r, c, f).
        predictions: COCO results: `image_id`, `category_id`, `score` and `bbox` (x, y, width, height in
            pixels) or `segmentation` (RLE). Where both are there the area is that of the box, as in both
            references; give only what is scored for the area of the mask.
        iou_type: `bbox` or `segm`.
        protocol: one of PROTOCOLS.

    Returns:
        `ap`, `ap50`, `ap75`, `aps`, `apm`, `apl` (by area: below 32^2, below 96^2, the rest), with COCO
        `ar1`, `ar10`, `ar100`, with LVIS `apr`, `apc`, `apf` (rare, common, frequent) and `ar300`, which
        lvis-api prints as AR@300 whatever the limit; and `per_class`: category id -> AP.
    """
    if protocol not in PROTOCOLS or iou_type not in IOU_TYPES:
        raise ValueError(f"{protocol!r} with {iou_type!r}; known are {', '.join(PROTOCOLS)} and {IOU_TYPES}")
    known = hotcoco.COCO(dict(truth))
    if protocol == "lvis-fixed":
        predictions = best_per_class(predictions)
    if protocol == "coco":
        found = known.load_res(list(predictions))
    else:
        found = hotcoco.LVISResults(known, list(predictions), max_dets=300 if protocol == "lvis" else -1)
    scorer = hotcoco.COCOeval(known, found, iou_type, lvis_style=protocol != "coco")
    if protocol == "lvis-fixed":
        # hotcoco would still take 300 of an image and class; nothing is cut here any more, as in lvis-api
        scorer.params.max_dets = [max(1, len(predictions))]
    with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):  # it prints its table
        scorer.run()
    numbers = scorer.get_results().items()
    named = {
        name.lower().replace("@300", "300" if name == "AR@300" else ""): value for name, value in numbers
    }
    return {name: _or_nan(value) for name, value in named.items()} | {"per_class": _per_class(scorer)}


def best_per_class(predictions: Sequence[dict[str, Any]], most: int = PER_CLASS) -> list[dict[str, Any]]:
    """The `most` highest-scoring detections of every class over the data set, in their order.

    Of equals the first ones, as the stable sort of Dave et al.'s script keeps them.
    """
    classes = np.array([row["category_id"] for row in predictions], np.int64)
    scores = np.array([row["score"] for row in predictions], float)
    order = np.lexsort((-scores, classes))  # stable: equals stay in their order
    sizes = np.unique(classes, return_counts=True)[1]
    ranks = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else order
    return [predictions[index] for index in np.sort(order[ranks < most])]


def _per_class(scorer: hotcoco.COCOeval) -> dict[int, float]:
    curves = cast(dict[str, Any], scorer.eval)
    # (T, R, K, A, M) thresholds, recalls, classes, areas, limits; -1 where there is no truth
    precision = np.asarray(curves["precision"])[:, :, :, 0, -1]
    means = np.where(precision[0, 0] < 0, np.nan, precision.mean((0, 1)))
    return {int(key): float(value) for key, value in zip(scorer.params.cat_ids, means, strict=True)}


def _or_nan(value: float) -> float:
    return float("nan") if value < 0 else float(value)
