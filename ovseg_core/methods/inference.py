"""How trained maps become class scores.

Shape letters: B images, N regions, T texts, D joint width, h x w locations.
"""

import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32


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
