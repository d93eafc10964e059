"""One image read several times: in sliding windows, at several sizes, mirrored. Scores are averaged.

Shape letters: C classes; H, W size of the resized image in pixels; h, w of its map of scores.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.evaluation.inference import to_input
from ovseg_core.params import check

STRIDE = 4  # pixels of a location of the common map that windows are added into


@dataclass(frozen=True)
class Looks:
    """How often an image is looked at."""

    short_side: int | None = None  # images are resized to it, in pixels; None keeps their size
    scales: tuple[float, ...] = (1.0,)  # of that size
    flip: bool = False  # mirrored as well
    window: int | None = None  # side in pixels; what is larger is read in windows that overlap
    overlap: float = 0.5  # share of a window that the next one covers again, at least

    def __post_init__(self) -> None:
        check(
            self.short_side is None or self.short_side >= 16,
            "short_side",
            self.short_side,
            "at least 16 pixels",
        )
        good = bool(self.scales) and all(0.1 <= scale <= 8 for scale in self.scales)
        check(good, "scales", list(self.scales), "factors from 0.1 to 8")
        check(self.window is None or self.window >= 16, "window", self.window, "at least 16 pixels")
        check(0 <= self.overlap < 1, "overlap", self.overlap, "from 0 to below 1, where a window never moves")


def looked_at(
    ask: Callable[[Tensor], Tensor], image: np.ndarray, looks: Looks, device: torch.device | str
) -> Tensor:
    """(H', W', 3) uint8 -> (C, h, w) scores, the mean over all looks.

    Args:
        ask: (1, 3, H, W) images -> (C, h, w) finite scores.
    """
    total: Tensor | None = None
    for scale in looks.scales:
        side = round(scale * (looks.short_side or min(image.shape[:2])))
        images = to_input([image], max(1, side), device)
        for mirrored in (False, True) if looks.flip else (False,):
            scores = _in_windows(ask, images.flip(3) if mirrored else images, looks)
            scores = scores.flip(2) if mirrored else scores
            total = scores if total is None else total + _resized(scores, total.shape[1:])
    assert total is not None
    return total / (len(looks.scales) * (1 + looks.flip))


def _in_windows(ask: Callable[[Tensor], Tensor], images: Tensor, looks: Looks) -> Tensor:
    size = images.shape[2:]
    if looks.window is None or max(size) <= looks.window:
        return ask(images)
    common = [-(-pixels // STRIDE) for pixels in size]
    total, seen = None, images.new_zeros(common)
    for y, x, height, width in places(size[0], size[1], looks.window, looks.overlap):
        scores = ask(images[:, :, y : y + height, x : x + width].contiguous())
        rows = slice(y // STRIDE, -(-(y + height) // STRIDE))
        columns = slice(x // STRIDE, -(-(x + width) // STRIDE))
        if total is None:
            total = scores.new_zeros(len(scores), *common)
        total[:, rows, columns] += _resized(scores, (rows.stop - rows.start, columns.stop - columns.start))
        seen[rows, columns] += 1
    assert total is not None
    return total / seen


def places(height: int, width: int, window: int, overlap: float) -> Iterator[tuple[int, int, int, int]]:
    """Top, left, height and width of windows that cover an image; they begin on the grid of STRIDE."""
    for y in _starts(height, window, overlap):
        for x in _starts(width, window, overlap):
            yield y, x, min(window, height - y), min(window, width - x)


def _starts(pixels: int, window: int, overlap: float) -> list[int]:
    step = max(STRIDE, int(window * (1 - overlap)) // STRIDE * STRIDE)
    last = max(0, -(-(pixels - window) // STRIDE) * STRIDE)  # the last window ends with the image
    return [*range(0, last, step), last]


def _resized(scores: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    if tuple(scores.shape[1:]) == tuple(size):
        return scores
    return F.interpolate(scores[None], list(size), mode="bilinear", align_corners=False)[0]
