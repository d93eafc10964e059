"""Which of a teacher's masks are used: threshold, non-maximum suppression, the best few."""

from collections.abc import Sequence

import numpy as np

from ovseg_core.masks import rle
from ovseg_core.records import MaskSet, Rle


def suppress(masks: Sequence[Rle], scores: np.ndarray, max_iou: float, most: int | None = None) -> np.ndarray:
    """Indices that survive greedy non-maximum suppression, best score first, `most` of them at most.

    A mask goes when a better one overlaps it by more than `max_iou` (mask IoU, not box IoU). Equal
    scores keep their order, so the choice is the same on every machine.
    """
    left = np.argsort(-np.asarray(scores), kind="stable")
    kept: list[int] = []
    while len(left) and (most is None or len(kept) < most):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[rle.iou([masks[i] for i in left], [masks[best]])[:, 0] <= max_iou]
    return np.asarray(kept, np.int64)


def select(masks: MaskSet, min_score: float, nms_iou: float, max_masks: int) -> np.ndarray:
    """The masks that training reads, (M, H, W) bool, M <= max_masks, best first; M may be 0.

    Empty masks are dropped whatever their score: Dice against nothing teaches only to predict nothing.
    """
    usable = np.flatnonzero((masks.scores >= min_score) & (rle.area(masks.masks) > 0))
    rles = [masks.masks[i] for i in usable]
    kept = suppress(rles, masks.scores[usable], nms_iou, max_masks)
    return rle.decode([rles[i] for i in kept])
