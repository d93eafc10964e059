"""COCO run-length encoding of binary masks, by pycocotools. `counts` is text, as JSON and parquet want."""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco

from ovseg_core.records import BadSample, Rle

AT_ONCE = 255  # pycocotools counts the masks whose area it is asked for in 8 bits


def encode(masks: np.ndarray) -> list[Rle]:
    """(N, H, W) bool masks as N run-length encodings."""
    columns = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))  # COCO wants (H, W, N), by column
    encoded = coco.encode(columns) if len(masks) else []
    return [Rle(size=list(rle["size"]), counts=rle["counts"].decode("ascii")) for rle in encoded]


def decode(rles: Sequence[Rle]) -> np.ndarray:
    """N run-length encodings of one image as (N, H, W) bool; (0, 0, 0) where there is none.

    Raises:
        BadSample: `broken_mask` when the sizes differ from mask to mask or the runs do not fill the size.
    """
    if not rles:
        return np.zeros((0, 0, 0), bool)
    if len({tuple(rle["size"]) for rle in rles}) > 1:
        raise BadSample("broken_mask", f"sizes {[rle['size'] for rle in rles]} in one image")
    for rle in rles:
        _check(rle)
    return coco.decode(rles).transpose(2, 0, 1).astype(bool)


def area(rles: Sequence[Rle]) -> np.ndarray:
    """(N,) number of pixels of each mask."""
    parts = [coco.area(rles[first : first + AT_ONCE]) for first in range(0, len(rles), AT_ONCE)]
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def boxes(rles: Sequence[Rle]) -> np.ndarray:
    """(N, 4) float32 xyxy boxes around N masks; an empty mask has the box (0, 0, 0, 0)."""
    xywh = coco.toBbox(rles) if rles else np.zeros((0, 4))  # COCO's order
    return np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]).astype(np.float32)


def iou(a: Sequence[Rle], b: Sequence[Rle]) -> np.ndarray:
    """(A, B) float64 intersection over union of every mask of `a` with every mask of `b`."""
    if not a or not b:
        return np.zeros((len(a), len(b)))
    return np.asarray(coco.iou(a, b, [0] * len(b)))


def _check(rle: Rle) -> None:
    # pycocotools writes past its buffer when the runs are longer than the mask: count them first, as its
    # rleFrString does (5 bits a character, bit 6 continues, bit 5 of the last one is the sign, and from
    # the fourth run on a run is the difference from the one two before).
    if not rle["counts"].isascii():
        raise BadSample("broken_mask", "counts with characters that no encoding has")
    runs: list[int] = []
    value, shift = 0, 0
    for character in rle["counts"].encode("ascii"):
        code = character - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if not code & 0x20:
            value -= (1 << shift) if code & 0x10 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    height, width = rle["size"]
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise BadSample("broken_mask", f"runs fill {sum(runs)} of {height} x {width} pixels")
