"""Regions that need no training: a grid, or k-means over the locations of a feature map.

Shape letters: B images, N regions, D channels, h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def grid_regions(num_images: int, side: int, height: int, width: int, device: torch.device) -> Tensor:
    """`side` x `side` rectangles that tile the map: (B, side^2, height, width) float, a location in one."""
    rows = torch.arange(height, device=device) * side // height
    columns = torch.arange(width, device=device) * side // width
    cell = rows[:, None] * side + columns[None]  # (h, w)
    regions = cell[None] == torch.arange(side * side, device=device)[:, None, None]
    return regions.float().expand(num_images, -1, -1, -1)


@torch.no_grad()
def kmeans_regions(features: Tensor, num_regions: int, iterations: int = 10) -> Tensor:
    """Spherical k-means over the locations of each image: (B, D, h, w) -> (B, num_regions, h, w) 0/1 float.

    Starts from the farthest-first choice, which needs no random numbers, so an image has the same regions
    whatever else is in its batch. A cluster may end empty.
    """
    points = F.normalize(features.float().flatten(2).transpose(1, 2), dim=-1)  # (B, L, D)
    centres = _farthest_first(points, num_regions)
    for _ in range(iterations):
        assignment = F.one_hot(
            (points @ centres.transpose(1, 2)).argmax(-1), num_regions
        ).float()  # (B, L, K)
        moved = assignment.transpose(1, 2) @ points
        empty = assignment.sum(1)[..., None] == 0
        centres = torch.where(empty, centres, F.normalize(moved, dim=-1))
    assignment = F.one_hot((points @ centres.transpose(1, 2)).argmax(-1), num_regions).float()
    return assignment.transpose(1, 2).unflatten(2, features.shape[-2:])


def _farthest_first(points: Tensor, count: int) -> Tensor:
    """Each next centre is the point least like those chosen: (B, L, D) -> (B, count, D)."""
    rows = torch.arange(len(points), device=points.device)
    mean = F.normalize(points.mean(1, keepdim=True), dim=-1)
    nearest = (points * mean).sum(-1)  # (B, L) similarity to the closest centre so far
    chosen = []
    for step in range(count):
        pick = nearest.argmin(1)
        chosen.append(points[rows, pick])
        similarity = (points * chosen[-1][:, None]).sum(-1)
        nearest = similarity if step == 0 else torch.maximum(nearest, similarity)
    return torch.stack(chosen, 1)
