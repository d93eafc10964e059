"""Pixel counts of every image and class: what a bootstrap over images and torchmetrics' mean are made of.

Shape letters: H, W size of an image in pixels; C classes of the vocabulary; K classes of one image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ovseg_core.metrics.confusion import known
from ovseg_core.metrics.iou import check_convention, class_iou, nan_mean

COLUMNS = ("class", "hits", "predicted", "true")  # of `rows`; the last three in pixels


class PerImageIoU:
    """The counts of each image, a row for each class in either of its maps. A few dozen numbers an image."""

    def __init__(self, num_classes: int, ignore_label: int = 255) -> None:
        self.num_classes, self.ignore_label = num_classes, ignore_label
        self.rows: dict[str, np.ndarray] = {}  # image -> (K, 4) int64, see COLUMNS; by class

    def update(self, key: str, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Add the image `key`: two (H, W) integer class maps of the same size.

        Raises:
            ValueError: the image is there already, the sizes differ, or a label lies outside the classes.
        """
        if key in self.rows:
            raise ValueError(f"image {key!r} comes twice; an image counts once")
        guesses, truths = known(prediction, truth, self.num_classes, self.ignore_label)
        hits, predicted, true = (
            np.bincount(labels, minlength=self.num_classes)
            for labels in (truths[truths == guesses], guesses, truths)
        )
        classes = np.flatnonzero(predicted + true)
        self.rows[key] = np.stack([classes, hits[classes], predicted[classes], true[classes]], axis=1)

    def add_share(self, key: str, hits: int, number: int) -> None:
        """Add an image in which `hits` of `number` are right, as a class 0 whose IoU is that share.

        So a recall of masks is drawn as a mean IoU is. An image of none of them is left out.
        """
        if number:
            self.rows[key] = np.array([[0, hits, hits, number]], np.int64)

    def merge(self, other: PerImageIoU) -> None:
        """Add the images of another worker.

        Raises:
            ValueError: an image is in both.
        """
        if twice := sorted(self.rows.keys() & other.rows.keys()):
            raise ValueError(f"image {twice[0]!r} comes from two workers, as do {len(twice) - 1} more")
        self.rows |= other.rows

    def stacked(self) -> np.ndarray:
        """(N, 5) int64 of all rows: number of the image among the sorted keys, then COLUMNS."""
        parts = [np.insert(self.rows[key], 0, number, axis=1) for number, key in enumerate(sorted(self.rows))]
        return np.concatenate(parts) if parts else np.zeros((0, 5), np.int64)

    def compute(self, convention: str = "mmseg", classes: Sequence[int] | None = None) -> dict[str, float]:
        """`miou`, `macc`, `aacc` in [0, 1] over some classes (all unless given); NaN without a pixel.

        torchmetrics has no mAcc and aAcc of class maps: its mAcc here is the mean over all pairs of an image
        and a class of its truth, and its aAcc that of the other conventions. What is summed is summed
        exactly, so that the order of the images does not matter.
        """
        check_convention(convention)
        _, labels, hits, predicted, true = self.stacked().T
        if classes is not None:
            chosen = np.isin(labels, list(classes))
            labels, hits, predicted, true = (part[chosen] for part in (labels, hits, predicted, true))
        aacc = float(hits.sum() / true.sum()) if true.sum() else float("nan")
        if convention == "torchmetrics":
            iou = hits / (predicted + true - hits)
            recall = hits[true > 0] / true[true > 0]
            return {"miou": _exact_mean(iou), "macc": _exact_mean(recall), "aacc": aacc}
        hits, predicted, true = self._totals(labels, hits, predicted, true)
        accuracy = np.divide(hits, true, out=np.full(len(hits), np.nan), where=true > 0)
        miou = nan_mean(class_iou(hits, predicted, true, convention))
        return {"miou": miou, "macc": nan_mean(accuracy), "aacc": aacc}

    def iou(self, convention: str = "mmseg") -> np.ndarray:
        """(C,) IoU, of torchmetrics the mean over images; NaN of a class that the convention leaves out."""
        check_convention(convention)
        _, labels, *columns = self.stacked().T
        hits, predicted, true = self._totals(labels, *columns)
        if convention != "torchmetrics":
            return class_iou(hits, predicted, true, convention)
        pairs = np.bincount(labels, minlength=self.num_classes)
        shares = np.bincount(labels, columns[0] / (columns[1] + columns[2] - columns[0]), self.num_classes)
        return np.divide(shares, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)

    def per_class(self, convention: str = "mmseg") -> dict[int, float]:
        """What `iou` says of every class that the convention counts."""
        iou = self.iou(convention)
        return {int(index): float(iou[index]) for index in np.flatnonzero(~np.isnan(iou))}

    def _totals(self, labels: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
        """(C,) int64 sums of columns of `rows` over the images."""
        return [np.bincount(labels, column, self.num_classes).astype(np.int64) for column in columns]


def to_table(counted: PerImageIoU) -> pa.Table:
    """`image` and COLUMNS, a row per image and class in the order of the keys."""
    keys = sorted(counted.rows)
    repeated = [key for key in keys for _ in counted.rows[key]]
    columns = {name: counted.stacked()[:, place] for place, name in enumerate(COLUMNS, 1)}
    return pa.table({"image": pa.array(repeated, pa.string()), **columns})


def from_table(table: pa.Table, num_classes: int) -> PerImageIoU:
    """What `to_table` wrote; images without a pixel that is not void have no row and are gone."""
    counted = PerImageIoU(num_classes)
    images = table["image"].to_numpy(zero_copy_only=False)
    rows = np.stack([table[name].to_numpy() for name in COLUMNS], axis=1)
    for part in np.split(np.arange(len(images)), np.flatnonzero(images[1:] != images[:-1]) + 1):
        if len(part):
            counted.rows[str(images[part[0]])] = rows[part]
    return counted


def _exact_mean(values: np.ndarray) -> float:
    return math.fsum(values.tolist()) / len(values) if len(values) else float("nan")
