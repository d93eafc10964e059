"""Top-1 classification of regions whose outline is given: what a model knows, apart from where it draws.

Shape letters: R regions of one image; C classes of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class RegionTop1:
    """Share of the truth regions whose best-scoring class is the right one, every region counting once.

    Probe things and stuff apart: backgrounds are learnt long before things, and one number hides it.
    """

    def __init__(self, num_classes: int) -> None:
        self.hits = np.zeros(num_classes, np.int64)  # by true class
        self.regions = np.zeros(num_classes, np.int64)

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Add the regions of one image: (R, C) scores and (R,) true classes."""
        right = scores.argmax(1) == labels
        self.hits += np.bincount(labels[right], minlength=len(self.hits))
        self.regions += np.bincount(labels, minlength=len(self.regions))

    def merge(self, other: RegionTop1) -> None:
        """Add what another worker counted."""
        self.hits = self.hits + other.hits
        self.regions = self.regions + other.regions

    def compute(self, classes: Sequence[int]) -> float:
        """Top-1 in [0, 1] over the regions of some classes; NaN where there is none."""
        chosen = list(classes)
        regions = self.regions[chosen].sum()
        return float(self.hits[chosen].sum() / regions) if regions else float("nan")
