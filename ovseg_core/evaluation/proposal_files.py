"""Masks without names beside the segments of a truth, checked before they are scored.

Predictions are COCO results whose category does not matter:

    [{"image_id": 9, "segmentation": {"size": [480, 640], "counts": "..."}, "score": 0.8}, ...]

The truth is COCO instances (JSON) or COCO panoptic (JSON and the PNGs in the folder of its name).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ovseg_core.benchmarks.benchmark import VOID
from ovseg_core.benchmarks.coco_masks import decode, panoptic_ids
from ovseg_core.evaluation import panoptic_files
from ovseg_core.evaluation.coco_files import Row, check_rows, check_sizes, check_truth
from ovseg_core.evaluation.score_error import ScoreError, refuse
from ovseg_core.masks import rle
from ovseg_core.metrics.recall import best_iou

Found = tuple[np.ndarray, list[int]]  # (S,) best IoU of the segments of an image, and their categories


def best_of_segments(
    rows: Sequence[Row], predictions: Path, known: dict[str, Any], truth: Path, cap: int
) -> Iterator[Found]:
    """Image by image, how well the `cap` proposals that score best cover each segment; crowds are none.

    Of instances whole masks are compared. Of panoptic segments what the truth leaves open (void, crowds)
    is left out of the proposals.

    Raises:
        ScoreError: naming the file and the first entries at fault, before the first image.
    """
    panoptic = "segments_info" in known["annotations"][0]
    if panoptic:
        check_sizes(known, truth)
        panoptic_files.check_truth(known, truth)
    else:
        check_truth(known, truth, "segm", lvis=False)
    check_rows(rows, known, predictions, "segm", named=False)
    proposals: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: -row["score"]):  # stable: of equals the first ones
        if len(proposals[row["image_id"]]) < cap:
            proposals[row["image_id"]].append(row["segmentation"])
    annotated: dict[int, list[Any]] = defaultdict(list)
    for entry in known["annotations"]:
        annotated[entry["image_id"]].append(entry)
    of_image = _of_panoptic if panoptic else _of_instances
    return (of_image(proposals[e["id"]], annotated[e["id"]], e, truth) for e in known["images"])


def _of_instances(proposals: list[Any], annotations: list[Any], image: Row, truth: Path) -> Found:
    single = [entry for entry in annotations if not entry.get("iscrowd")]
    masks = [decode(entry["segmentation"], image["height"], image["width"]) for entry in single]
    names = [entry["category_id"] for entry in single]
    if not (masks and proposals):
        return np.zeros(len(masks)), names
    return rle.iou(proposals, rle.encode(np.stack(masks))).max(0), names


def _of_panoptic(proposals: list[Any], annotations: list[Any], image: Row, truth: Path) -> Found:
    single = [s for entry in annotations for s in entry["segments_info"] if not s.get("iscrowd")]
    if not single:
        return np.zeros(0), []
    path = panoptic_files.png_folder(truth) / annotations[0]["file_name"]
    width, height = panoptic_files.png_size(path)
    refuse(
        [] if [height, width] == [image["height"], image["width"]] else [path], truth, "PNGs of another size"
    )
    try:
        ids = panoptic_ids(path.read_bytes())
    except (OSError, SyntaxError) as error:
        raise ScoreError(f"{path} cannot be read as a PNG: {error}") from error
    labels = np.full(ids.shape, VOID, np.uint16)
    for number, segment in enumerate(single):
        labels[ids == segment["id"]] = number
    refuse(
        [(image["id"], s["id"]) for n, s in enumerate(single) if not (labels == n).any()],
        path,
        "segments (image, id) without a pixel",
    )
    masks = rle.decode(proposals) if proposals else np.zeros((0, height, width), bool)
    return best_iou(masks, labels, np.arange(len(single)), VOID), [s["category_id"] for s in single]
