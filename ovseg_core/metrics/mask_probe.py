"""Masks without their names: how well groups or attention heads outline what is there, and their ceiling.

Shape letters: N masks of one image (groups, heads, pseudo masks); H, W size of the truth in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ovseg_core.metrics.recall import best_iou, segments_of


class MaskProbe:
    """Mask probing (OVSegmentor, Table 11): mean over the truth's segments of the best mask's Jaccard index.

    A segment is all pixels of one class in one image, as in `MaskRecall`; class predictions play no part.
    """

    def __init__(self, ignore_label: int = 255) -> None:
        self.ignore_label = ignore_label
        self.best: list[float] = []  # one per segment: a sum of them would depend on the order of the workers

    def update(self, masks: np.ndarray, truth: np.ndarray, not_segments: Sequence[int] = ()) -> None:
        """Add one image: (N, H, W) bool masks and an (H, W) class map; `not_segments` as the background."""
        if masks.shape[1:] != truth.shape:
            raise ValueError(f"the masks are {masks.shape[1:]} and the truth {truth.shape} pixels")
        labels = segments_of(truth, self.ignore_label, not_segments)
        self.add(best_iou(masks, truth, labels, self.ignore_label))

    def add(self, best: np.ndarray) -> None:
        """Add the segments of one image by their (S,) best IoU."""
        self.best += best.tolist()

    def merge(self, other: MaskProbe) -> None:
        """Add what another worker found."""
        self.best = self.best + other.best

    def compute(self) -> float:
        """Mean best Jaccard index in [0, 1]; NaN where no image had a segment."""
        return math.fsum(self.best) / len(self.best) if self.best else float("nan")


def oracle_map(masks: np.ndarray, truth: np.ndarray, uncovered: int, ignore_label: int = 255) -> np.ndarray:
    """The class map that pseudo masks make when the truth names each: its mIoU is their ceiling (S-Seg).

    Args:
        masks: (N, H, W) bool; where two overlap, the earlier one is seen.
        truth: (H, W) integer class map.
        uncovered: class of the pixels that no mask covers, as the background.

    Returns:
        (H, W) of the truth's type; a mask has the commonest class of its pixels that are not void (of equals
        the lower one), and one that lies in void alone is as if it were not there.
    """
    if masks.shape[1:] != truth.shape:
        raise ValueError(f"the masks are {masks.shape[1:]} and the truth {truth.shape} pixels")
    named = np.full(truth.shape, uncovered, truth.dtype)
    for mask in masks[::-1]:
        labels = truth[mask]
        labels = labels[labels != ignore_label]
        if len(labels):
            named[mask] = np.bincount(labels).argmax()
    return named
