"""Per-pixel classification against text embeddings.

Shape letters: B images, M masks of an image (padded), T names, D embedding width, h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32

UNKNOWN = -1  # label of a mask or pixel whose class is not known


def label_map(masks: Tensor, labels: Tensor) -> Tensor:
    """(B, M, h, w) bool masks and (B, M) classes -> (B, h, w) class of each location.

    UNKNOWN where no mask says; where masks overlap the later one wins.
    """
    known = masks & (labels != UNKNOWN)[:, :, None, None]
    order = torch.arange(1, masks.shape[1] + 1, device=masks.device)
    nothing = known.new_zeros(len(masks), 1, *masks.shape[2:], dtype=torch.int64)
    last = torch.cat([nothing, known * order[:, None, None]], 1).amax(1)  # (B, h, w), 0 where none is known
    padded = torch.cat([labels.new_full((len(labels), 1), UNKNOWN), labels], 1)
    return padded.gather(1, last.flatten(1)).unflatten(1, last.shape[1:])


@float32
def pixel_cross_entropy(features: Tensor, names: Tensor, target: Tensor, temperature: Tensor) -> Tensor:
    """LSeg: cross-entropy of each location's cosines with the class names (arXiv:2201.03546).

    Args:
        features: (B, D, h, w) of any length; names: (T, D) of any length.
        target: (B, h, w) in 0..T-1, or UNKNOWN, which is left out.

    Returns:
        Scalar in nats per known location; 0 when none is known.
    """
    known = target != UNKNOWN
    x = F.normalize(features.float().permute(0, 2, 3, 1)[known], dim=-1)
    logits = x @ F.normalize(names.float(), dim=-1).T / temperature
    return F.cross_entropy(logits, target[known], reduction="sum") / known.sum().clamp(min=1)


@float32
def known_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each location whose class is known.

    Args:
        logits: (B, C, h, w); target: (B, h, w) in 0..C-1, or UNKNOWN, which is left out.

    Returns:
        Scalar in nats per known location; 0 when none is known.
    """
    total = F.cross_entropy(logits.float(), target, ignore_index=UNKNOWN, reduction="sum")
    return total / (target != UNKNOWN).sum().clamp(min=1)
