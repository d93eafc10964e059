"""COCO and LVIS results beside their truth, checked before they are scored.

What pycocotools would take without a word or crash on is refused here with the first offenders named; what is
odd but sound is counted (`Detections.counts`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotcoco import mask as coco_mask

from ovseg_core.evaluation.score_error import ScoreError, is_id, read_json, read_truth, refuse, repeated

Row = dict[str, Any]
FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")


@dataclass(frozen=True)
class Detections:
    """Truth and results that fit each other."""

    truth: dict[str, Any]
    rows: list[Row]
    iou_type: str
    counts: dict[str, int]  # `images_without_detections`, `duplicate_detections` (each is scored)


def read_detections(predictions: Path, truth: Path, iou_type: str | None, lvis: bool = False) -> Detections:
    """Read and check both files.

    Args:
        iou_type: `bbox`, `segm`, or None: masks where the first result has one, else boxes.

    Raises:
        ScoreError: naming the file and the first entries at fault.
    """
    known = read_truth(truth)
    rows = read_json(predictions)
    if not isinstance(rows, list):
        raise ScoreError(f"{predictions} is a {type(rows).__name__}; COCO results are a list of detections")
    if not rows:
        raise ScoreError(
            f"{predictions} holds no detection; a method that finds nothing has no AP worth printing"
        )
    refuse(
        [n for n, row in enumerate(rows) if not isinstance(row, dict)],
        predictions,
        "entries that are no object",
    )
    kind = iou_type or ("segm" if rows[0].get("segmentation") else "bbox")
    check_truth(known, truth, kind, lvis)
    check_rows(rows, known, predictions, kind)
    return Detections(known, rows, kind, _counts(rows, known, kind))


def check_truth(truth: dict[str, Any], path: Path, iou_type: str, lvis: bool) -> None:
    """Raise ScoreError for annotations that cannot be matched, or a truth that is not LVIS's."""
    shape = "segmentation" if iou_type == "segm" else "bbox"
    needed = ("id", "image_id", "category_id", "area", shape)
    lacking = [
        entry.get("id") for entry in truth["annotations"] if any(entry.get(key) is None for key in needed)
    ]
    refuse(lacking, path, f"annotations without one of {', '.join(needed)}")
    images, categories = ({entry["id"] for entry in truth[part]} for part in ("images", "categories"))
    astray = [
        e["id"]
        for e in truth["annotations"]
        if e["image_id"] not in images or e["category_id"] not in categories
    ]
    refuse(astray, path, "annotations of images or categories that it does not list")
    # pycocotools counts one of them for the other
    refuse(repeated(e["id"] for e in truth["annotations"]), path, "ids that several annotations have")
    if iou_type == "segm":
        check_sizes(truth, path)
        sizes = {entry["id"]: size_of(entry) for entry in truth["images"]}
        unsound = [
            e["id"] for e in truth["annotations"] if not is_mask(e["segmentation"], sizes[e["image_id"]])
        ]
        refuse(unsound, path, "annotations whose segmentation is neither polygons nor RLE of their image")
    else:
        unsound = [e["id"] for e in truth["annotations"] if not is_box(e["bbox"])]
        refuse(unsound, path, "annotations whose bbox is not [x, y, width, height] in pixels")
    if lvis:
        partial = [e["id"] for e in truth["images"] if not all(key in e for key in FEDERATED)]
        refuse(partial, path, f"images without {' and '.join(FEDERATED)}, so it is no LVIS truth")
        rare = [e["id"] for e in truth["categories"] if e.get("frequency") not in ("r", "c", "f")]
        refuse(rare, path, "categories without a frequency of r, c or f")


def check_sizes(truth: dict[str, Any], path: Path) -> None:
    """Raise ScoreError for images without a size."""
    sizeless = [e["id"] for e in truth["images"] if not (is_id(e.get("height")) and is_id(e.get("width")))]
    refuse(sizeless, path, "images without height and width, which masks need")


def check_rows(
    rows: Sequence[Row], truth: dict[str, Any], path: Path, iou_type: str, named: bool = True
) -> None:
    """Raise ScoreError for detections that cannot be scored; the first of each fault are named.

    Masks without names (`named` False) may have any category, or none.
    """
    images = {entry["id"]: entry for entry in truth["images"]}
    categories = {entry["id"] for entry in truth["categories"]}

    def none(fault: Callable[[Row], bool], text: str, key: str) -> None:
        found = [(number, row.get(key)) for number, row in enumerate(rows) if fault(row)]
        refuse([f"entry {number} ({str(value)[:60]})" for number, value in found], path, text)

    none(lambda row: not is_id(row.get("image_id")), "image_id has to be a whole number", "image_id")
    none(lambda row: row["image_id"] not in images, "images that the truth does not have", "image_id")
    if named:
        text = "category_id has to be a whole number"
        none(lambda row: not is_id(row.get("category_id")), text, "category_id")
        text = "categories that the truth does not have"
        none(lambda row: row["category_id"] not in categories, text, "category_id")
    none(lambda row: not is_finite(row.get("score")), "scores that are no finite numbers", "score")
    if iou_type == "bbox":
        none(
            lambda row: not is_box(row.get("bbox")),
            "boxes have to be [x, y, width, height] in pixels",
            "bbox",
        )
        return
    text = "a segmentation has to be RLE, {size: [height, width], counts: text}"
    none(lambda row: not is_rle(row.get("segmentation")), text, "segmentation")
    text = "masks of another size than their image in the truth"
    none(lambda row: row["segmentation"]["size"] != size_of(images[row["image_id"]]), text, "image_id")
    none(lambda row: is_broken(row["segmentation"]), "RLE that does not decode to its size", "image_id")


def is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_box(value: Any) -> bool:
    four = isinstance(value, list) and len(value) == 4 and all(map(is_finite, value))
    return four and value[2] >= 0 and value[3] >= 0


def is_rle(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("counts"), str):
        return False
    size = value.get("size")
    return isinstance(size, list) and len(size) == 2 and all(map(is_id, size))


def is_mask(value: Any, size: list[int]) -> bool:
    """Whether an annotation's segmentation fills a mask of `size`: polygons, or RLE, compressed or not."""
    if isinstance(value, list):
        # pycocotools takes four numbers for a box
        return bool(value) and all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in value)
    if not isinstance(value, dict) or value.get("size") != size:
        return False
    if isinstance(value.get("counts"), list):
        return sum(value["counts"]) == size[0] * size[1]
    return is_rle(value) and not is_broken(value)


def size_of(image: Row) -> list[int]:
    return [image["height"], image["width"]]


def is_broken(rle: Row) -> bool:
    """Whether the runs do not fill the mask to its last pixel."""
    height, width = rle["size"]
    try:
        coco_mask.area(rle)  # refuses what cannot be read and what is longer than the mask
    except ValueError:
        return True
    try:
        coco_mask.area({"size": [1, height * width - 1], "counts": rle["counts"]})
    except (ValueError, OverflowError):
        return False  # one pixel less does not hold it
    return True


def _counts(rows: Sequence[Row], truth: dict[str, Any], iou_type: str) -> dict[str, int]:
    seen = {row["image_id"] for row in rows}
    shape: Callable[[Row], Any] = (
        (lambda row: row["segmentation"]["counts"])
        if iou_type == "segm"
        else (lambda row: tuple(row["bbox"]))
    )
    distinct = {(row["image_id"], row["category_id"], row["score"], shape(row)) for row in rows}
    return {
        "images": len(truth["images"]),
        "annotations": len(truth["annotations"]),
        "detections": len(rows),
        "images_without_detections": len(truth["images"]) - len(seen),
        "duplicate_detections": len(rows) - len(distinct),
    }
