"""Expected calibration error: whether a confidence of 0.8 is right in eight of ten cases."""

from __future__ import annotations

import numpy as np

STEP = (
    2**-24
)  # confidences are added as multiples of it, float32's own grain, so that every order adds up alike


class CalibrationError:
    """ECE with bins of equal width (Guo et al., arXiv:1706.04599, Eq. 3).

        ECE = sum_b n_b / n * |accuracy_b - confidence_b|

    of pixels, regions or detections; bin b holds confidences in (b / B, (b + 1) / B], and 0 is in the first.
    """

    def __init__(self, num_bins: int = 15) -> None:
        self.number = np.zeros(num_bins, np.int64)
        self.right = np.zeros(num_bins, np.int64)
        self.confidence = np.zeros(num_bins, np.int64)  # in STEPs

    def update(self, confidence: np.ndarray, right: np.ndarray) -> None:
        """Add predictions: confidences in [0, 1] and whether each is right, arrays of one shape.

        Raises:
            ValueError: a confidence is not a number from 0 to 1, or the shapes differ.
        """
        if confidence.shape != right.shape:
            raise ValueError(f"{confidence.shape} confidences and {right.shape} answers")
        if not ((confidence >= 0) & (confidence <= 1)).all():  # also where it is not a number
            raise ValueError("confidences have to be numbers from 0 to 1")
        bins = np.ceil(confidence.ravel() * len(self.number)).astype(np.int64) - 1
        bins = bins.clip(0, len(self.number) - 1)
        np.add.at(self.number, bins, 1)
        np.add.at(self.right, bins, right.ravel().astype(np.int64))
        np.add.at(self.confidence, bins, np.rint(confidence.ravel() / STEP).astype(np.int64))

    def merge(self, other: CalibrationError) -> None:
        """Add what another worker counted."""
        self.number = self.number + other.number
        self.right = self.right + other.right
        self.confidence = self.confidence + other.confidence

    def compute(self) -> float:
        """ECE in [0, 1]; NaN without a prediction."""
        total = self.number.sum()
        return float(np.abs(self.right - self.confidence * STEP).sum() / total) if total else float("nan")
