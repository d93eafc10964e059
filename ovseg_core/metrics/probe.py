"""Classification of regions whose outline is given: what a model knows, apart from where it draws.

Shape letters: R regions of one image; C classes of the vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


class RegionTopK:
    """Whether the true class of a region is among the k that score best, over boxes or masks of the truth.

    Probe things and stuff apart, and boxes apart from masks: backgrounds are learnt long before things, and
    one number hides it. Of equal scores the class with the lower index comes first.
    """

    def __init__(self, num_classes: int, ks: Sequence[int] = (1, 5)) -> None:
        self.ks = tuple(ks)
        self.hits = np.zeros((len(self.ks), num_classes), np.int64)  # by true class
        self.regions = np.zeros(num_classes, np.int64)
        self.called: Counter[tuple[int, int]] = Counter()  # (true class, best class) -> regions

    def update(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Add the regions of one image: (R, C) scores and (R,) true classes.

        Raises:
            ValueError: a score is not a number, or the shapes do not fit.
        """
        if scores.shape != (len(labels), len(self.regions)):
            raise ValueError(
                f"scores are {scores.shape}; for {len(labels)} regions and {len(self.regions)} classes they "
                f"have to be {(len(labels), len(self.regions))}"
            )
        if np.isnan(scores).any():
            raise ValueError(f"the scores of region {int(np.isnan(scores).any(1).argmax())} are not numbers")
        order = np.argsort(-scores, axis=1, kind="stable")
        self.update_ranked(order[:, : max(self.ks)], labels)

    def update_ranked(self, ranked: np.ndarray, labels: np.ndarray) -> None:
        """Add regions by their (R, K) best classes, the best first; -1 where there are fewer."""
        right = ranked == labels[:, None]
        for row, k in zip(self.hits, self.ks, strict=True):
            row += np.bincount(labels[right[:, :k].any(1)], minlength=len(row))
        self.regions += np.bincount(labels, minlength=len(self.regions))
        self.called.update(zip(labels.tolist(), ranked[:, 0].tolist(), strict=True))

    def merge(self, other: RegionTopK) -> None:
        """Add what another worker counted."""
        self.hits = self.hits + other.hits
        self.regions = self.regions + other.regions
        self.called = self.called + other.called

    def compute(self, classes: Sequence[int], k: int = 1) -> float:
        """Top-k in [0, 1], every region of some classes counting once; NaN where there is none."""
        chosen = list(classes)
        regions = self.regions[chosen].sum()
        return float(self.hits[self.ks.index(k), chosen].sum() / regions) if regions else float("nan")

    def mean_class_accuracy(self, classes: Sequence[int], k: int = 1) -> float:
        """Mean over the classes with regions of their Top-k (DenseVLM, Tables S2-S6); NaN without any."""
        chosen = [index for index in classes if self.regions[index]]
        shares = self.hits[self.ks.index(k), chosen] / self.regions[chosen]
        return float(shares.mean()) if chosen else float("nan")

    def confusion(self) -> np.ndarray:
        """(C, C) regions by [true class, best class] (DenseVLM, Figures S1-S4); see `confusion.blocks`."""
        counts = np.zeros((len(self.regions), len(self.regions)), np.int64)
        for (true, best), number in self.called.items():
            if best >= 0:
                counts[true, best] = number
        return counts
