"""How far a mean IoU would move with other images, and whether one system is above another (Efron, 1979).

Images are drawn with replacement, their pixel counts added, the mean IoU taken anew. Shape letters: N images;
C classes; B draws; S seeds of one system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ovseg_core.metrics.iou import check_convention, class_iou
from ovseg_core.metrics.per_image import PerImageIoU

DRAWS = 2000
LEVEL = 0.95
AT_ONCE = 250  # draws


@dataclass(frozen=True)
class Interval:
    """A share or a difference of shares, and the bounds that hold LEVEL of its draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The score of A less that of B."""

    difference: Interval

    @property
    def above(self) -> bool:
        """Whether A is above B in so many draws that chance over images (and seeds) is no likely reason."""
        return self.difference.low > 0


@dataclass(frozen=True)
class Drawn:
    """The mean IoUs of one system in every draw of images."""

    values: np.ndarray  # (S, B + 1); the first column is the data as it is
    images: list[str]
    seed: int


def draw(
    seeds: Sequence[PerImageIoU],
    classes: Sequence[int] | None = None,
    convention: str = "mmseg",
    draws: int = DRAWS,
    seed: int = 0,
) -> Drawn:
    """Score one system, S trainings of it, in B draws; systems drawn with one seed meet the same images.

    Raises:
        ValueError: the trainings were scored on different images, or on none.
    """
    images = sorted(seeds[0].rows) if seeds else []
    if not images:
        raise ValueError("there is no image to draw from")
    for counted in seeds:
        _check_same(images, sorted(counted.rows))
    weights = draw_images(len(images), draws, seed)
    return Drawn(np.stack([means(one, weights, classes, convention) for one in seeds]), images, seed)


def interval(drawn: Drawn) -> Interval:
    """Mean over the seeds, and its percentile interval over images; the seeds stay as they are."""
    return _interval(drawn.values.mean(0))


def compare(a: Drawn, b: Drawn) -> Comparison:
    """Paired bootstrap: in every draw both meet the same images, and seeds of their own are drawn too.

    With one seed each only the images are drawn, so what another training would change is not in it.

    Raises:
        ValueError: the systems were scored on different images, or drawn with different seeds.
    """
    _check_same(a.images, b.images)
    if (a.seed, a.values.shape[1]) != (b.seed, b.values.shape[1]):
        raise ValueError("the two were drawn differently: give both the same seed and number of draws")
    rng = np.random.default_rng([a.seed, 1])
    return Comparison(_interval(_mean_of_drawn(a.values, rng) - _mean_of_drawn(b.values, rng)))


def draw_images(number: int, draws: int, seed: int) -> np.ndarray:
    """(B + 1, N) uint16: how often each image is in each draw; the first row is the data as it is."""
    drawn = np.ones((draws + 1, number), np.uint16)
    drawn[1:] = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=draws)
    return drawn


def means(
    counted: PerImageIoU, weights: np.ndarray, classes: Sequence[int] | None = None, convention: str = "mmseg"
) -> np.ndarray:
    """(B + 1,) mean IoU of images by (B + 1, N) weights; NaN where no class is left.

    N is in the order of the sorted keys. A few draws at a time: memory does not grow with B x C.
    """
    check_convention(convention)
    chosen = np.arange(counted.num_classes) if classes is None else np.asarray(list(classes), np.int64)
    image, label, *columns = counted.stacked().T
    shape = (weights.shape[1], counted.num_classes)
    if convention == "torchmetrics":
        hits, predicted, true = columns
        columns = [hits / (predicted + true - hits), np.ones(len(label))]
    by_image = [csr_array((column.astype(float), (image, label)), shape) for column in columns]
    found = []
    for start in range(0, len(weights), AT_ONCE):
        drawn = weights[start : start + AT_ONCE].T.astype(float)
        found.append(_means([(column.T @ drawn).T[:, chosen] for column in by_image], convention))
    return np.concatenate(found)


def _means(columns: Sequence[np.ndarray], convention: str) -> np.ndarray:
    """Mean IoU of each draw, from (B, C) sums: hits, predicted, true; for torchmetrics shares, pairs."""
    if convention == "torchmetrics":
        shares, number = columns[0].sum(1), columns[1].sum(1)
    else:
        iou = class_iou(columns[0], columns[1], columns[2], convention)
        shares, number = np.nansum(iou, axis=1), (~np.isnan(iou)).sum(1)
    return np.divide(shares, number, out=np.full(len(shares), np.nan), where=number > 0)


def _check_same(a: Sequence[str], b: Sequence[str]) -> None:
    if odd := sorted(set(a) ^ set(b)):
        text = f"was not scored in all of what is compared ({len(odd)} such images)"
        raise ValueError(f"image {odd[0]!r} {text}")


def _mean_of_drawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, B + 1) scores of each seed -> (B + 1,) mean over S seeds drawn anew; in the first, over all."""
    number, width = values.shape
    drawn = rng.integers(number, size=(number, width))
    drawn[:, 0] = np.arange(number)
    return np.take_along_axis(values, drawn, 0).mean(0)


def _interval(values: np.ndarray) -> Interval:
    known = values[1:][~np.isnan(values[1:])]
    if not len(known) or np.isnan(values[0]):
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))
