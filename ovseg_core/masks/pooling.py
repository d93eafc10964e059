"""Region features: what a mask sees of a feature map.

Shape letters: B images, N masks of an image, D channels, h x w locations.
"""

import torch.nn.functional as F
from torch import Tensor


def pool(features: Tensor, masks: Tensor) -> Tensor:
    """Mean of the features under each mask: (B, D, h, w) and (B, N, h, w) weights >= 0 -> (B, N, D).

    OpenSeg sums (Sec. 3.2); the mean differs by a factor that the cosine of Eq. 3 takes out again, and keeps
    numbers small enough for half precision. An empty mask pools to zeros.
    """
    weights = masks.flatten(2)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    # in this order no transposed copy of the features is made
    return (features.flatten(2) @ weights.transpose(1, 2)).transpose(1, 2)


def match_size(masks: Tensor, like: Tensor) -> Tensor:
    """(B, N, H, W) masks, bool or soft, as float shares of each location of `like` (B, _, h, w)."""
    masks = masks.to(like.dtype)
    if masks.shape[-2:] == like.shape[-2:]:
        return masks
    if masks.shape[-1] >= like.shape[-1] and masks.shape[-2] >= like.shape[-2]:
        return F.interpolate(masks, like.shape[-2:], mode="area")  # shrinking: the share that is on
    return F.interpolate(masks, like.shape[-2:], mode="bilinear", align_corners=False)
