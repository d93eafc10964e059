"""Class-agnostic mask losses.

Shape letters: B images, N predicted masks, M true masks of an image (padded), h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32


def dice(predicted: Tensor, truth: Tensor, smooth: float = 1.0) -> Tensor:
    """Dice coefficient of every pair, 2 |p t| / (|p| + |t|): (B, N, h, w), (B, M, h, w) -> (B, N, M).

    In [0, 1]. Soft masks count by their probability, without squares (V-Net squares them; both are in use).
    `smooth` pixels are added above and below the line, so that two empty masks agree.
    """
    p, t = predicted.float().flatten(2), truth.float().flatten(2)
    both = p @ t.transpose(1, 2)
    return (2 * both + smooth) / (p.sum(-1)[:, :, None] + t.sum(-1)[:, None] + smooth)


def iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """IoU of every pair of binary masks: (B, N, h, w), (B, M, h, w) -> (B, N, M), 0 for two empty ones."""
    p, t = predicted.float().flatten(2), truth.float().flatten(2)
    both = p @ t.transpose(1, 2)
    return both / (p.sum(-1)[:, :, None] + t.sum(-1)[:, None] - both).clamp(min=1e-6)


@float32
def best_match_dice(logits: Tensor, truth: Tensor, num_masks: Tensor) -> Tensor:
    """L_S of OpenSeg: every true mask pulls its best prediction, the other predictions are free.

        L_S = 1/M * sum_j (1 - max_i Dice(s_i, t_j))                                    (Eq. 1)

    Args:
        logits: (B, N, h', w') mask logits; resized to the size of `truth`.
        truth: (B, M, h, w) bool; rows past `num_masks` are padding.
        num_masks: (B,) masks of each image; 0 where an image has no mask supervision.

    Returns:
        Scalar in [0, 1], the mean over images that have masks; 0 when none has.
    """
    best = dice(resize_logits(logits, truth).sigmoid(), truth).amax(1)  # (B, M)
    real = torch.arange(truth.shape[1], device=truth.device) < num_masks[:, None]
    per_image = ((1 - best) * real).sum(1) / num_masks.clamp(min=1)
    return per_image.sum() / (num_masks > 0).sum().clamp(min=1)


@float32
def mask_quality(quality: Tensor, logits: Tensor, truth: Tensor, num_masks: Tensor) -> Tensor:
    """Squared error between predicted quality and the IoU of each predicted mask with its best true mask.

    Meant for images where all is annotated: elsewhere a good mask of something unlabelled counts as bad.

    Args:
        quality: (B, N) in [0, 1], what the model says of its own masks.
        logits, truth, num_masks: as in `best_match_dice`; no gradient flows into `logits`.
    """
    with torch.no_grad():
        target = iou(resize_logits(logits, truth) > 0, truth)  # padding is empty: IoU 0
        target = target.amax(2) if truth.shape[1] else target.new_zeros(target.shape[:2])
    labelled = (num_masks > 0).float()[:, None]
    squared = (quality.float() - target).square() * labelled
    return squared.sum() / (labelled.sum() * quality.shape[1]).clamp(min=1)


def resize_logits(logits: Tensor, like: Tensor) -> Tensor:
    """Logits at the size of `like`, bilinear, float32."""
    logits = logits.float()
    if logits.shape[-2:] == like.shape[-2:]:
        return logits
    return F.interpolate(logits, like.shape[-2:], mode="bilinear", align_corners=False)
