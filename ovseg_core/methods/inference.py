"""How trained maps become class scores.

Shape letters: B images, N regions, T texts, D joint width, h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32
from ovseg_core.masks.clustering import kmeans_regions
from ovseg_core.masks.pooling import pool

CLUSTERS = (8, 32, 128)  # from what takes much of an image to its details


@float32
def region_scores(regions: Tensor, masks: Tensor, texts: Tensor) -> Tensor:
    """y = <w, z> . s, Eq. 6 before its argmax.

    Args:
        regions: (B, N, D) z and texts: (T, D) w, of any length; masks: (B, N, h, w) s in [0, 1].

    Returns:
        (B, T, h, w).
    """
    cosine = F.normalize(regions.float(), dim=-1) @ F.normalize(texts.float(), dim=-1).T  # (B, N, T)
    return (cosine.transpose(1, 2) @ masks.float().flatten(2)).unflatten(2, masks.shape[-2:])


@float32
def dense_scores(features: Tensor, texts: Tensor) -> Tensor:
    """Cosine of each location with each text: (B, D, h, w), (T, D) -> (B, T, h, w)."""
    x = F.normalize(features.float(), dim=1).flatten(2)
    return (F.normalize(texts.float(), dim=-1) @ x).unflatten(2, features.shape[-2:])


def local_scores(features: Tensor, texts: Tensor, regions: str) -> Tensor:
    """(B, T, h, w) of (B, D, h, w) locations, each by itself (`none`) or with its likes (`clusters`)."""
    return cluster_scores(features, texts) if regions == "clusters" else dense_scores(features, texts)


@float32
def cluster_scores(features: Tensor, texts: Tensor) -> Tensor:
    """Cosine with each text of the cluster that a location is in, the mean over clusterings of several sizes.

    Clusters are regions that need no training, found by k-means among an image's own (B, D, h, w) locations.

    Returns:
        (B, T, h, w) for (T, D) texts.
    """
    x = F.normalize(features.float(), dim=1)
    sizes = [kmeans_regions(x, count) for count in CLUSTERS]
    return torch.stack([region_scores(pool(x, clusters), clusters, texts) for clusters in sizes]).mean(0)
