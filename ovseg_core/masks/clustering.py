"""Regions that need no training: a grid, or k-means over the locations of a feature map.

Shape letters: B images, N regions, K clusters, L = h x w locations, D channels.
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

    A cluster may end empty.
    """
    points = F.normalize(features.float().flatten(2).transpose(1, 2), dim=-1)
    labels, _ = kmeans(points, num_regions, iterations, spherical=True)
    return F.one_hot(labels, num_regions).float().transpose(1, 2).unflatten(2, features.shape[-2:])


@torch.no_grad()
def kmeans(
    points: Tensor, num_clusters: int, iterations: int = 10, spherical: bool = False
) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm on every image of a batch by itself.

    Starts from the farthest-first choice, which needs no random numbers, so an image has the same clusters
    whatever else is in its batch.

    Args:
        points: (B, L, D); of unit length where `spherical`, which keeps the centres so as well.

    Returns:
        (B, L) cluster of each point and (B, K, D) centres. A cluster may end empty, and does where there are
        fewer different points than clusters.
    """
    points = points.contiguous()  # the products below take a fourth of the time
    centres = _farthest_first(points, num_clusters)
    for _ in range(iterations):
        member = F.one_hot(_nearest(points, centres), num_clusters).to(points.dtype)  # (B, L, K)
        total, count = member.transpose(1, 2) @ points, member.sum(1)[..., None]
        moved = F.normalize(total, dim=-1) if spherical else total / count.clamp(min=1)
        centres = torch.where(count == 0, centres, moved)
    return _nearest(points, centres), centres


def squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """(B, L, D), (B, K, D) -> (B, L, K), without |points|^2, which no comparison of centres needs."""
    return torch.baddbmm(centres.square().sum(-1)[:, None], points, centres.transpose(1, 2), alpha=-2)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return squared_distances(points, centres).argmin(-1)


def _farthest_first(points: Tensor, count: int) -> Tensor:
    """Each next centre is the point farthest from those chosen: (B, L, D) -> (B, count, D)."""
    rows = torch.arange(len(points), device=points.device)
    squares = points.square().sum(-1)

    def distances(centre: Tensor) -> Tensor:
        return squares + squared_distances(points, centre[:, None])[..., 0]

    nearest = distances(points.mean(1))  # (B, L), to the closest one so far
    chosen = []
    for step in range(count):
        chosen.append(points[rows, nearest.argmax(1)])
        distance = distances(chosen[-1])
        nearest = distance if step == 0 else torch.minimum(nearest, distance)
    return torch.stack(chosen, 1)
