"""From clusters to segments: near clusters joined, connected pieces apart, small pieces given to a neighbour.

Batched, without a random number, and the same on a processor and an accelerator.
Shape letters: B images, K clusters, D channels, L = h x w locations.
"""

import torch
from torch import Tensor


def merge_near(labels: Tensor, centres: Tensor, distance: float) -> tuple[Tensor, Tensor]:
    """Join clusters whose centres are nearer than `distance`, also through others (single linkage).

    Args:
        labels: (B, L) cluster of each location; centres: (B, K, D).

    Returns:
        The labels, of joined clusters the lowest; and (B, K) what each cluster became, -1 for an empty one.
    """
    count = centres.shape[1]
    used = torch.zeros(labels.shape[0], count, dtype=torch.bool, device=labels.device)
    used.scatter_(1, labels, True)
    near = (torch.cdist(centres, centres) < distance) & used[:, :, None] & used[:, None]
    linked = near | torch.eye(count, dtype=torch.bool, device=labels.device)
    for _ in range(max(1, (count - 1).bit_length())):  # paths of twice the length in every round
        linked = (linked.float() @ linked.float()) > 0
    first = linked.int().argmax(2)  # of several largest values the first
    return first.gather(1, labels), torch.where(used, first, -1)


def components(labels: Tensor) -> Tensor:
    """(B, h, w) labels -> (B, h, w) connected pieces (sides touch), each named by its last location.

    Every location takes the highest number of its piece that it sees, then that location's own.
    """
    height, width = labels.shape[1:]
    down, right = labels[:, 1:] == labels[:, :-1], labels[:, :, 1:] == labels[:, :, :-1]
    numbers = torch.arange(height * width, device=labels.device).view(1, height, width)
    root = numbers.expand(labels.shape).clone()
    while True:
        grown = root.clone()
        for here, there, joined in (
            (grown[:, 1:], root[:, :-1], down),
            (grown[:, :-1], root[:, 1:], down),
            (grown[:, :, 1:], root[:, :, :-1], right),
            (grown[:, :, :-1], root[:, :, 1:], right),
        ):
            here.copy_(torch.where(joined, torch.maximum(here, there), here))
        flat = grown.flatten(1)
        grown = flat.gather(1, flat).view_as(grown)
        if torch.equal(grown, root):
            return root
        root = grown


def by_area(pieces: Tensor) -> tuple[Tensor, Tensor]:
    """Number pieces by size: (B, h, w) names below h x w -> numbers, 0 the largest, and (B, L) areas.

    Of equals the one with the higher name comes first; areas past the last piece are 0.
    """
    flat = pieces.flatten(1)
    area = torch.zeros_like(flat).scatter_add_(1, flat, torch.ones_like(flat))
    area, order = area.flip(1).sort(dim=1, descending=True, stable=True)
    names = flat.shape[1] - 1 - order
    numbers = torch.arange(flat.shape[1], device=flat.device).expand_as(names)
    rank = torch.empty_like(names).scatter_(1, names, numbers)
    return rank.gather(1, flat).view_as(pieces), area


def absorb_small(pieces: Tensor, min_area: float) -> Tensor:
    """Give pieces below `min_area`, a share of the image, to the largest piece beside them.

    Args:
        pieces: (B, h, w), numbered by size as `by_area` does.

    Returns:
        (B, h, w) numbers 0 to M - 1 of the pieces that are left. The largest one always is.
    """
    _, area = by_area(pieces)
    least = min_area * pieces[0].numel()
    keep = (area >= least) & (area > 0)
    keep[:, 0] = True
    last = keep.sum(1)[:, None, None]  # numbered by size: those that stay come first
    filled = torch.where(pieces < last, pieces, pieces.shape[1] * pieces.shape[2])
    empty = pieces >= last
    while bool(empty.any()):
        around = filled.clone()
        around[:, 1:] = torch.minimum(around[:, 1:], filled[:, :-1])
        around[:, :-1] = torch.minimum(around[:, :-1], filled[:, 1:])
        around[:, :, 1:] = torch.minimum(around[:, :, 1:], filled[:, :, :-1])
        around[:, :, :-1] = torch.minimum(around[:, :, :-1], filled[:, :, 1:])
        filled = torch.where(empty, around, filled)
        empty = filled >= last
    return filled
