"""Mean intersection-over-union of class maps.

Shape letters: H, W size of the truth in pixels; C classes of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ovseg_core.metrics.confusion import add_pairs, known

# What a mean is taken over; a number without this name is not comparable.
CONVENTIONS = {
    "mmseg": "IoU from one pixel count over the data set; a class that is predicted but never true counts as "
    "0 (mmsegmentation), a class in neither map is left out",
    "detectron2": "IoU from one pixel count over the data set; a class that is never true is left out, also "
    "where it is predicted (detectron2)",
    "torchmetrics": "IoU of every class in every image, averaged over all pairs of image and class in which "
    "the class is in either map (torchmetrics.segmentation.MeanIoU)",
}


def check_convention(convention: str) -> None:
    """Raise ValueError for a convention that is not known, naming those that are."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; known are {', '.join(CONVENTIONS)}")


def class_iou(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray, convention: str) -> np.ndarray:
    """IoU of every class from its pixel counts (any shape); NaN where the convention leaves a class out."""
    union = predicted + true - hits
    counted = true > 0 if convention == "detectron2" else union > 0
    return np.divide(hits, union, out=np.full(np.shape(hits), np.nan), where=counted)


class MeanIoU:
    """Mean intersection-over-union over a data set, not the mean of per-image IoUs.

    The state is one pixel count, so the score depends neither on batch size nor on which worker
    saw which image. `convention` is `mmseg` or `detectron2` (see CONVENTIONS); what torchmetrics
    averages needs every image's own counts: `per_image.PerImageIoU` keeps them.
    """

    def __init__(self, num_classes: int, ignore_label: int = 255, convention: str = "mmseg") -> None:
        check_convention(convention)
        if convention == "torchmetrics":
            raise ValueError("MeanIoU keeps no image's counts apart; for torchmetrics take PerImageIoU")
        self.num_classes, self.ignore_label, self.convention = num_classes, ignore_label, convention
        self._counts: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """(C, C) int64 pixels by [truth, prediction]. Made when it is first asked for, so that a metric that
        counts nothing costs nothing to send or merge, also with a thousand classes."""
        if self._counts is None:
            self._counts = np.zeros((self.num_classes, self.num_classes), np.int64)
        return self._counts

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Add one image: two (H, W) integer class maps of the same size.

        Raises:
            ValueError: the sizes differ, or a label lies outside the classes.
        """
        add_pairs(self.counts, *known(prediction, truth, self.num_classes, self.ignore_label))

    def merge(self, other: MeanIoU) -> None:
        """Add what another worker counted."""
        if other._counts is None:
            return
        if self.counts.flags.writeable:
            np.add(self.counts, other._counts, out=self.counts)
        else:  # as Ray hands arrays over
            self._counts = self.counts + other._counts

    def iou(self) -> np.ndarray:
        """(C,) IoU in [0, 1]; NaN for a class that is left out."""
        return class_iou(self.counts.diagonal(), self.counts.sum(0), self.counts.sum(1), self.convention)

    def accuracy(self) -> np.ndarray:
        """(C,) share of a class's true pixels that are called it; NaN for a class that is never true."""
        hits, true = self.counts.diagonal(), self.counts.sum(1)
        return np.divide(hits, true, out=np.full(len(hits), np.nan), where=true > 0)

    def mean(self, classes: Sequence[int]) -> float:
        """Mean IoU over some classes, as those that are unseen in training; NaN when all are left out."""
        return nan_mean(self.iou()[list(classes)])

    def mean_accuracy(self, classes: Sequence[int]) -> float:
        """Mean of the classes' accuracies (mAcc); NaN when none of them is true anywhere."""
        return nan_mean(self.accuracy()[list(classes)])

    def pixel_accuracy(self) -> float:
        """Share of the pixels that are not void whose class is right (aAcc); NaN without a pixel."""
        total = self.counts.sum()
        return float(self.counts.trace() / total) if total else float("nan")

    def compute(self) -> dict[str, float | list[float]]:
        """`miou`, `macc`, `aacc` over all classes and per-class `iou`, in [0, 1]."""
        everything = range(self.num_classes)
        return {
            "miou": self.mean(everything),
            "macc": self.mean_accuracy(everything),
            "aacc": self.pixel_accuracy(),
            "iou": self.iou().tolist(),
        }


def nan_mean(values: np.ndarray) -> float:
    """Mean of what is a number; NaN, without a warning, where nothing is."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else float("nan")
