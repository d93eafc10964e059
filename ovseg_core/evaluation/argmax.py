"""The best class of every pixel, without ever making the scores of all classes at all pixels.

Shape letters: C classes; h, w size of the score maps; H, W of the class map. A cell lies between four
neighbouring locations of the score maps, its corners; at the border two or all of them are the same. n cells;
K pairs of a cell and a class; R classes of a cell; p x q pixels of a cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 32  # classes: so many are upsampled and compared one after another,
SMALL = 2**21  # where that makes no more scores than these
PLANES = 8  # of them at a time
BLOCK = 48  # locations of the score maps that are looked at together, down and across;
BLOCK_OF_MANY = 32  # above MANY classes, since a small block is rid of more of them
MANY = 256
PAIRS = 2**20  # that are held at a time: what a call needs does not grow with C x H x W


@dataclass(frozen=True)
class Axis:
    """How the pixels of one axis lie in its h + 1 cells, as `F.interpolate` has it."""

    cell: Tensor  # (H,) of each pixel
    share: Tensor  # (H,) of the location behind it, in [0, 1)
    before: Tensor  # (h + 1,) location at the near side of each cell
    behind: Tensor  # (h + 1,) location at its far side
    pixels: Tensor  # (h + 1, p) pixels of each cell; those beyond its end belong to the next one


def best_class(scores: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The argmax over C of `F.interpolate(scores, size, mode="bilinear")`, and its score.

    A pixel mixes the scores of the four corners of its cell. Where one class is best at all four it is best
    at the pixel. Elsewhere only classes can win whose best corner reaches what some class has at its worst
    corner; the others are never upsampled.

    Args:
        scores: (C, h, w), C at least 1, all finite.
        size: H, W.

    Returns:
        (H, W) int64 class indices, of equals the lowest, and (H, W) scores.
    """
    if len(scores) <= FEW and len(scores) * size[0] * size[1] <= SMALL:
        return _plain(scores, size)
    top, first = _best_of_planes(scores)
    rows, columns = (_axis(n, pixels, scores) for n, pixels in zip(top.shape, size, strict=True))
    classes = first[rows.before[rows.cell]][:, columns.before[columns.cell]]
    best = F.interpolate(top[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    corners = [first[y][:, x] for y in (rows.before, rows.behind) for x in (columns.before, columns.behind)]
    winners = torch.stack(corners)  # (4, h + 1, w + 1)
    unsure = (winners != winners[0]).any(0)
    pairs: list[Pairs] = []
    for found in _blocks(scores, winners, unsure, rows, columns):
        pairs.append(found)
        if sum(len(one.classes) for one in pairs) > PAIRS:
            _settle(classes, best, pairs, rows, columns)
            pairs = []
    _settle(classes, best, pairs, rows, columns)
    return classes, best


def _plain(scores: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    best = torch.full(size, -torch.inf, device=scores.device)
    place = torch.zeros(size, dtype=torch.int16, device=scores.device)  # a quarter of the bytes to write
    # A few planes at a time: a third of the time of one argmax, and (C, H, W) is never held.
    for start in range(0, len(scores), PLANES):
        chosen = scores[None, start : start + PLANES]
        planes = F.interpolate(chosen, size, mode="bilinear", align_corners=False)[0]
        for number, plane in enumerate(planes, start):
            place.masked_fill_(plane > best, number)
            torch.maximum(best, plane, out=best)
    return place.long(), best


def _best_of_planes(scores: Tensor) -> tuple[Tensor, Tensor]:
    """`scores.max(0)` in a fifth of its time: planes are compared in groups, then within the best group."""
    top = torch.full_like(scores[0], -torch.inf)
    group = torch.zeros(top.shape, dtype=torch.int64, device=scores.device)
    for number, planes in enumerate(scores.split(FEW)):
        highest = planes.amax(0)
        group.masked_fill_(highest > top, number)
        torch.maximum(top, highest, out=top)
    first = torch.full_like(group, -1)
    for place in range(min(FEW, len(scores))):
        index = (group * FEW + place).clamp(max=len(scores) - 1)
        found = scores.gather(0, index[None])[0] == top
        first = torch.where(found & (first < 0), index, first)
    return top, first


def _axis(count: int, pixels: int, like: Tensor) -> Axis:
    place = (torch.arange(pixels, device=like.device, dtype=like.dtype) + 0.5) * (count / pixels) - 0.5
    cell = place.floor().long().clamp(-1, count - 1) + 1
    inside = (cell > 0) & (cell < count)
    ends = torch.arange(-1, count + 1, device=like.device).clamp(0, count - 1)
    per_cell = torch.bincount(cell, minlength=count + 1)
    within = torch.arange(int(per_cell.max()), device=like.device)
    start = per_cell.cumsum(0) - per_cell
    return Axis(cell, (place - cell + 1) * inside, ends[:-1], ends[1:], start[:, None] + within)


@dataclass(frozen=True)
class Pairs:
    """Cells and the classes that may win in them: those of one cell after those of another, ascending."""

    cells: Tensor  # (2, n)
    counts: Tensor  # (n,) classes of each
    classes: Tensor  # (K,)
    corners: Tensor  # (4, K) scores


def _blocks(scores: Tensor, winners: Tensor, unsure: Tensor, rows: Axis, columns: Axis) -> Iterator[Pairs]:
    """The pairs of all unsure cells, block by block.

    Most classes are nowhere in a block as high as what wins there at least, and are out at once.
    """
    side = BLOCK_OF_MANY if len(scores) > MANY else BLOCK
    for top in range(0, len(rows.before), side):
        y0, y1 = _span(rows, top, side)
        highest = scores[:, y0:y1].amax(1)  # (C, w)
        for left in range(0, len(columns.before), side):
            cells = unsure[top : top + side, left : left + side].nonzero().T
            if not cells.shape[1]:
                continue
            y, x = cells[0] + top, cells[1] + left
            x0, x1 = _span(columns, left, side)
            width = x1 - x0
            block = scores[:, y0:y1, x0:x1]
            at = torch.stack(
                [
                    (i[y] - y0) * width + j[x] - x0
                    for i in (rows.before, rows.behind)
                    for j in (columns.before, columns.behind)
                ]
            )  # (4, n) places in the block
            own = block[winners[:, y, x][:, None], at // width, at % width]  # (4 winners, 4 corners, n)
            reached = own.amin(1).amax(0)  # (n,) what the best of the four winners has at its worst corner
            possible = (highest[:, x0:x1].amax(1) >= reached.amin()).nonzero()[:, 0]
            counts, classes, corners = _candidates(block[possible].flatten(1), at, reached)
            yield Pairs(torch.stack([y, x]), counts, possible[classes], corners)


def _span(axis: Axis, start: int, side: int) -> tuple[int, int]:
    """The locations of the score map, from and below, that `side` cells have for corners."""
    last = min(start + side, len(axis.behind)) - 1
    return int(axis.before[start]), int(axis.behind[last]) + 1


def _candidates(flat: Tensor, at: Tensor, reached: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of (C, locations) scores and (4, n) places: classes per cell (n,), these (K,), their scores (4, K)."""
    a, b, c, d = (flat.index_select(1, place) for place in at)  # (C, n) each
    possible = torch.maximum(torch.maximum(a, b), torch.maximum(c, d)) >= reached
    cell, classes = possible.T.nonzero().T
    return possible.sum(0), classes, torch.stack([corner[classes, cell] for corner in (a, b, c, d)])


def _settle(classes: Tensor, best: Tensor, pairs: list[Pairs], rows: Axis, columns: Axis) -> None:
    """Compare the candidates of cells at each of their pixels, and write who wins."""
    if not pairs:
        return
    cells = torch.cat([one.cells for one in pairs], 1)
    counts = torch.cat([one.counts for one in pairs])
    candidates = torch.cat([one.classes for one in pairs])
    corners = torch.cat([one.corners for one in pairs], 1)
    starts = counts.cumsum(0) - counts
    least, most = 0, 2  # cells of like numbers of candidates together, so that few are padded
    while least < int(counts.max()):
        group = ((counts > least) & (counts <= most)).nonzero()[:, 0]
        per_part = max(1, PAIRS // (most * rows.pixels.shape[1] * columns.pixels.shape[1]))
        for part in group.split(per_part):
            rank = torch.arange(most, device=cells.device)
            index = starts[part, None] + torch.where(rank < counts[part, None], rank, 0)  # (n, R)
            _compare(classes, best, cells[:, part], candidates[index], corners[:, index], rows, columns)
        least, most = most, 2 * most


def _compare(
    classes: Tensor,
    best: Tensor,
    cells: Tensor,
    candidates: Tensor,
    corners: Tensor,
    rows: Axis,
    columns: Axis,
) -> None:
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
    within = pixels.clamp(max=len(axis.cell) - 1)
    return within, (pixels == within) & (axis.cell[within] == cells[:, None]), axis.share[within]
