"""The best class of every pixel, without ever making the scores of all classes at all pixels.

Shape letters: C classes; h, w size of the score maps; H, W of the class map; n cells between neighbouring
locations of the score maps, R candidates of a cell; a cell has up to p x q pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

AT_A_TIME = 2**22  # scores: what a call needs does not grow with C x H x W
PLANES = 32  # classes that are compared in one go


@dataclass(frozen=True)
class Axis:
    """How the pixels of one axis lie between the locations of the score maps, as in `F.interpolate`."""

    near: Tensor  # (H,) location before each pixel
    share: Tensor  # (H,) of the location behind it, in [0, 1)
    behind: Tensor  # (h,) the location behind each one; the last has itself
    start: Tensor  # (h,) first pixel of each cell
    pixels: Tensor  # (h, p) pixels of each cell; those beyond its end belong to the next one


def best_class(scores: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The argmax over C of `F.interpolate(scores, size, mode="bilinear")`, and its score.

    A pixel mixes the scores of the four locations around it. Where one class is best at all four it is best
    at the pixel. Elsewhere only classes can win whose best corner reaches what some class has at its worst
    corner; the others are never upsampled.

    Args:
        scores: (C, h, w), C at least 1, no NaN.
        size: H, W.

    Returns:
        (H, W) int64 class indices, of equals the lowest, and (H, W) scores.
    """
    top, first = _best_of_planes(scores)
    if tuple(top.shape) == tuple(size):
        return first, top
    rows, columns = (_axis(n, pixels, scores) for n, pixels in zip(top.shape, size, strict=True))
    classes = first[rows.near][:, columns.near]
    best = F.interpolate(top[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    beside, below = first[:, columns.behind], first[rows.behind]
    unsure = (first != beside) | (first != below) | (first != below[:, columns.behind])
    for cells, found in _contested(scores, unsure.nonzero().T, rows, columns):
        _settle(classes, best, cells, found, rows, columns)
    return classes, best


def _best_of_planes(scores: Tensor) -> tuple[Tensor, Tensor]:
    """`scores.max(0)` in a fifth of its time: planes are compared in groups, then within the best group."""
    top = torch.full_like(scores[0], -torch.inf)
    group = torch.zeros(top.shape, dtype=torch.int64, device=scores.device)
    for number, planes in enumerate(scores.split(PLANES)):
        highest = planes.amax(0)
        group.masked_fill_(highest > top, number)
        torch.maximum(top, highest, out=top)
    first = torch.full_like(group, -1)
    for place in range(min(PLANES, len(scores))):
        index = (group * PLANES + place).clamp(max=len(scores) - 1)
        found = scores.gather(0, index[None])[0] == top
        first = torch.where(found & (first < 0), index, first)
    return top, first


def _axis(count: int, pixels: int, like: Tensor) -> Axis:
    place = (torch.arange(pixels, device=like.device, dtype=like.dtype) + 0.5) * (count / pixels) - 0.5
    place = place.clamp(min=0)
    near = place.long().clamp(max=count - 1)
    behind = torch.arange(1, count + 1, device=like.device).clamp(max=count - 1)
    per_cell = torch.bincount(near, minlength=count)
    start = per_cell.cumsum(0) - per_cell
    within = torch.arange(int(per_cell.max()), device=like.device)
    return Axis(near, place - near, behind, start, start[:, None] + within)


def _contested(
    scores: Tensor, cells: Tensor, rows: Axis, columns: Axis
) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """(2, n) cells of like numbers of candidates, these (n, R), ascending, and their (4, n, R) scores."""
    flat, width = scores.flatten(1), scores.shape[2]
    per_cell = max(1, rows.pixels.shape[1] * columns.pixels.shape[1])
    for some in cells.split(max(1, AT_A_TIME // (4 * len(scores))), dim=1):
        y, x = some
        at = [i * width + j for i in (y, rows.behind[y]) for j in (x, columns.behind[x])]
        a, b, c, d = (flat.index_select(1, place) for place in at)  # (C, n) each
        reached = torch.minimum(torch.minimum(a, b), torch.minimum(c, d)).amax(0)
        possible = torch.maximum(torch.maximum(a, b), torch.maximum(c, d)) >= reached
        counts, order = possible.sum(0).sort(descending=True)
        start = 0
        while start < len(order):  # the cells with most candidates first, so that few are padded
            most = int(counts[start])
            chosen = order[start : start + max(1, AT_A_TIME // (most * per_cell))]
            candidates = _table(possible[:, chosen].T, counts[start : start + len(chosen)])
            corners = torch.stack([corner[candidates, chosen[:, None]] for corner in (a, b, c, d)])
            yield some[:, chosen], (candidates, corners)
            start += len(chosen)


def _table(possible: Tensor, counts: Tensor) -> Tensor:
    """(n, R) classes that are possible in (n, C), ascending; a shorter row repeats its first."""
    row, classes = possible.nonzero().T
    starts = counts.cumsum(0) - counts
    filled = classes[starts][:, None].repeat(1, int(counts.max()))
    filled[row, torch.arange(len(row), device=row.device) - starts[row]] = classes
    return filled


def _settle(
    classes: Tensor, best: Tensor, cells: Tensor, found: tuple[Tensor, Tensor], rows: Axis, columns: Axis
) -> None:
    """Compare the candidates of (2, n) cells at each of their pixels, and write who wins."""
    candidates, corners = found
    y, inside_y, down = _pixels_of(rows, cells[0])  # (n, p) each
    x, inside_x, right = _pixels_of(columns, cells[1])  # (n, q) each
    down, right = down[:, :, None, None], right[:, None, :, None]
    upper_left, upper_right, lower_left, lower_right = corners[:, :, None, None]  # (n, 1, 1, R) each
    upper = upper_left * (1 - right) + upper_right * right
    lower = lower_left * (1 - right) + lower_right * right
    score, place = (upper * (1 - down) + lower * down).max(-1)  # (n, p, q)
    winner = candidates[torch.arange(len(candidates), device=y.device)[:, None, None], place]
    inside = inside_y[:, :, None] & inside_x[:, None]
    at = (y[:, :, None] * classes.shape[1] + x[:, None])[inside]
    classes.view(-1)[at], best.view(-1)[at] = winner[inside], score[inside]


def _pixels_of(axis: Axis, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    pixels = axis.pixels[cells]
    within = pixels.clamp(max=len(axis.near) - 1)
    return within, (pixels == within) & (axis.near[within] == cells[:, None]), axis.share[within]
