"""`--task regions`: what the truth's regions are called, or how well masks without names cover them."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ovseg_core.evaluation.coco_files import Row
from ovseg_core.evaluation.proposal_files import best_of_segments
from ovseg_core.evaluation.region_files import read_regions
from ovseg_core.evaluation.score_error import ScoreError, read_json, read_truth, titles
from ovseg_core.metrics.calibration import CalibrationError
from ovseg_core.metrics.confusion import blocks
from ovseg_core.metrics.probe import RegionTopK
from ovseg_core.metrics.recall import MaskRecall

CAP = 128  # proposals of an image (OpenSeg, Table 1)
Scores = dict[str, Any]


def regions(predictions: Path, truth: Path) -> Scores:
    """`top1`, `top5`, ... of entries with `category_ids`, `recall_50`, ... of entries with `segmentation`.

    Raises:
        ScoreError: naming the file and the first entries at fault.
    """
    rows = read_json(predictions)
    if not isinstance(rows, list) or not rows:
        raise ScoreError(f"{predictions} has to be a list of regions or proposals that is not empty")
    if all(isinstance(row, dict) and "segmentation" in row for row in rows):
        return mask_recall(rows, predictions, truth)
    return top_k(rows, predictions, truth)


def mask_recall(rows: list[Row], predictions: Path, truth: Path) -> Scores:
    """Recall of the CAP best proposals of an image at IoU 0.5, 0.7 and 0.9 (OpenSeg, Tables 1 and 6)."""
    known = read_truth(truth)
    metric, covered = MaskRecall(cap=CAP), defaultdict(list)
    for best, categories in best_of_segments(rows, predictions, known, truth, CAP):
        metric.add(best)
        for category, iou in zip(categories, best.tolist(), strict=True):
            covered[category].append(iou >= 0.5)
    found: Scores = {
        "protocol": f"share of the truth's segments (no crowds) that one of the {CAP} best proposals of "
        "their image covers at IoU 0.5, 0.7, 0.9"
    }
    asked = {row["image_id"] for row in rows}
    distinct = {(row["image_id"], row["segmentation"]["counts"]) for row in rows}
    found["counts"] = {
        "images": len(known["images"]),
        "segments": metric.segments,
        "proposals": len(rows),
        "images_without_proposals": len(known["images"]) - len(asked),
        "duplicate_proposals": len(rows) - len(distinct),
    }
    named = titles(known)
    each = {named[key]: float(np.mean(covered[key])) for key in sorted(covered)}
    return found | metric.compute() | {"per_class": each}


def top_k(rows: list[Any], predictions: Path, truth: Path) -> Scores:
    """Classification of the truth's regions: mean class accuracy `top1`, `top5`, each also `_thing` and
    `_stuff`, `foreground_bias`, `ece` where confidences from 0 to 1 are given."""
    known, given = read_regions(rows, predictions, truth)
    metric = RegionTopK(len(known["categories"]))
    metric.update_ranked(given.ranked, given.labels)
    # a truth that does not say what is a thing has boxes or instances
    kinds: dict[str, list[int]] = {"thing": [], "stuff": []}
    for index, entry in enumerate(known["categories"]):
        kinds["thing" if entry.get("isthing", 1) else "stuff"].append(index)
    found: Scores = {
        "protocol": "mean over classes of the share of their regions whose class is among the k best"
    }
    found["counts"] = {"regions": len(given.labels), "classes": int((metric.regions > 0).sum())}
    groups = {"": [*kinds["thing"], *kinds["stuff"]], "_thing": kinds["thing"], "_stuff": kinds["stuff"]}
    for suffix, classes in groups.items():
        for k in metric.ks if given.ranked.shape[1] >= max(metric.ks) else metric.ks[:1]:
            found[f"top{k}{suffix}"] = metric.mean_class_accuracy(classes, k)
    found |= blocks(metric.confusion(), kinds["thing"], kinds["stuff"])
    if given.confidence is not None:
        calibration = CalibrationError()
        calibration.update(given.confidence, given.ranked[:, 0] == given.labels)
        found["ece"] = calibration.compute()
    named = list(titles(known).values())
    each = {named[index]: metric.compute([index]) for index in np.flatnonzero(metric.regions).tolist()}
    return found | {"per_class": each}
