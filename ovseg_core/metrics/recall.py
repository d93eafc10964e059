"""Recall of class-agnostic mask proposals (OpenSeg, Table 1).

Shape letters: N proposals and S truth segments of one image; H, W size of the truth in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def segments_of(truth: np.ndarray, ignore_label: int, not_segments: Sequence[int] = ()) -> np.ndarray:
    """(S,) classes of a class map that are segments: all but void and those of `not_segments`."""
    present = np.flatnonzero(np.bincount(truth.ravel()))  # np.unique sorts every pixel
    return np.setdiff1d(present, [ignore_label, *not_segments])


def best_iou(masks: np.ndarray, truth: np.ndarray, labels: np.ndarray, ignore_label: int) -> np.ndarray:
    """(S,) best IoU that each segment of the truth has with one of (N, H, W) bool masks; 0 without masks.

    Void pixels are left out of the masks.
    """
    if not len(masks):
        return np.zeros(len(labels))
    inside = _words(masks & (truth != ignore_label))
    sizes = np.bitwise_count(inside).sum(1, dtype=np.int64)
    best = []
    for label in labels:
        segment = _words((truth == label)[None])
        shared = np.bitwise_count(inside & segment).sum(1, dtype=np.int64)
        area = np.bitwise_count(segment).sum(dtype=np.int64)
        best.append((shared / (area + sizes - shared)).max())
    return np.array(best, float)


def _words(masks: np.ndarray) -> np.ndarray:
    """(N, H, W) bool as (N, words) uint64 of 64 pixels each: intersections are counted a word at a time."""
    packed = np.packbits(masks.reshape(len(masks), -1), axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


class MaskRecall:
    """Share of the truth segments that some proposal covers with at least a given IoU.

    A truth segment is all pixels of one class in one image, since a class map does not tell
    instances apart. Void pixels belong to no segment and are left out of the proposals as well.
    One proposal may cover several segments. At most `cap` proposals of an image count, the first ones.
    """

    def __init__(
        self, thresholds: Sequence[float] = (0.5, 0.7, 0.9), cap: int = 128, ignore_label: int = 255
    ) -> None:
        self.thresholds = np.asarray(thresholds)
        self.names = [f"recall_{round(100 * at)}" for at in thresholds]
        self.cap, self.ignore_label = cap, ignore_label
        self.covered = np.zeros(len(thresholds), np.int64)
        self.segments = 0

    def update(self, proposals: np.ndarray, truth: np.ndarray, not_segments: Sequence[int] = ()) -> None:
        """Add one image.

        Args:
            proposals: (N, H, W) bool; N may be 0.
            truth: (H, W) integer class map.
            not_segments: classes that are no segment, as the background of PASCAL VOC. Their pixels
                stay in the proposals: a proposal that spills into the background is a worse one.
        """
        if proposals.shape[1:] != truth.shape:
            raise ValueError(f"the proposals are {proposals.shape[1:]} and the truth {truth.shape} pixels")
        labels = segments_of(truth, self.ignore_label, not_segments)
        self.add(best_iou(proposals[: self.cap], truth, labels, self.ignore_label))

    def add(self, best: np.ndarray) -> dict[str, int]:
        """Add the segments of one image by their (S,) best IoU; how many are covered, by threshold."""
        covered = (best[:, None] >= self.thresholds).sum(0)
        self.segments += len(best)
        self.covered += covered
        return dict(zip(self.names, covered.tolist(), strict=True))

    def merge(self, other: MaskRecall) -> None:
        """Add what another worker counted."""
        self.covered = self.covered + other.covered
        self.segments = self.segments + other.segments

    def compute(self) -> dict[str, float]:
        """`recall_50`, `recall_70`, ... in [0, 1]; NaN where no image had a segment."""
        share = self.covered / self.segments if self.segments else np.full(len(self.thresholds), np.nan)
        return dict(zip(self.names, share.tolist(), strict=True))
