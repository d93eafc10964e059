"""Mean intersection-over-union of class maps.

Shape letters: H, W size of the truth in pixels; C classes of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class MeanIoU:
    """Mean intersection-over-union over a data set, not the mean of per-image IoUs.

    The state is one pixel count, so the score depends neither on batch size nor on which worker
    saw which image. A class that is predicted but never true counts as 0, as in mmsegmentation
    (detectron2 leaves it out); a class in neither map is left out.
    """

    def __init__(self, num_classes: int, ignore_label: int = 255) -> None:
        self.ignore_label = ignore_label
        self.counts = np.zeros((num_classes, num_classes), np.int64)  # [truth, prediction]

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Add one image: two (H, W) integer class maps of the same size.

        Raises:
            ValueError: the sizes differ, or a label lies outside the classes.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"the prediction is {prediction.shape} and the truth {truth.shape} pixels")
        keep = truth != self.ignore_label
        self._count(prediction[keep].astype(np.int64), truth[keep].astype(np.int64))

    def _count(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        num_classes = len(self.counts)
        # One number per pixel pair: a label outside the classes would land in another class's cell.
        for name, labels in (("prediction", prediction), ("truth", truth)):
            if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
                raise ValueError(
                    f"the {name} has labels from {labels.min()} to {labels.max()}; there are {num_classes} "
                    f"classes, counted from 0, and {self.ignore_label} is void in the truth"
                )
        pairs = truth * num_classes + prediction
        self.counts += np.bincount(pairs, minlength=num_classes**2).reshape(self.counts.shape)

    def merge(self, other: MeanIoU) -> None:
        """Add what another worker counted. Arrays that Ray hands over are read-only: a new one is made."""
        self.counts = self.counts + other.counts

    def iou(self) -> np.ndarray:
        """(C,) IoU in [0, 1]; NaN for a class in neither map."""
        hits = self.counts.diagonal()
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)

    def mean(self, classes: Sequence[int]) -> float:
        """Mean IoU over some classes; NaN when none of them is in either map."""
        values = self.iou()[list(classes)]
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    def pixel_accuracy(self) -> float:
        """Share of the pixels that are not void whose class is right; NaN without a pixel."""
        total = self.counts.sum()
        return float(self.counts.trace() / total) if total else float("nan")

    def compute(self) -> dict[str, float | list[float]]:
        """Per-class `iou`, their mean `miou` and `pixel_accuracy`, in [0, 1]."""
        return {
            "miou": self.mean(range(len(self.counts))),
            "iou": self.iou().tolist(),
            "pixel_accuracy": self.pixel_accuracy(),
        }
