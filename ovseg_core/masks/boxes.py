"""Boxes around masks. Order xyxy in pixels; the lower right corner lies outside, so width = x2 - x1."""

import numpy as np


def from_masks(masks: np.ndarray) -> np.ndarray:
    """(N, H, W) bool masks -> (N, 4) float32 xyxy boxes; an empty mask has the box (0, 0, 0, 0)."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
