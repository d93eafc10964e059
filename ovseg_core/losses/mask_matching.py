"""Masks matched one to one: the mask loss of MaskFormer (arXiv:2107.06278), without classes, as S-Seg has it.

Shape letters: B images, N predicted masks, M true masks of an image (padded), h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.dice import dice, resize_logits
from ovseg_core.losses.precision import float32
from ovseg_core.masks.matching import hungarian

NEVER = 1e4  # cost of a mask that is only padding: it is matched when nothing else is left


def focal(logits: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss of every pair (arXiv:1708.02002), mean over locations: (B, N, M).

        -alpha (1 - p)^gamma log p  where the truth is on,  -(1 - alpha) p^gamma log(1 - p)  where it is off

    Args:
        logits: (B, N, h, w); truth: (B, M, h, w) bool.
    """
    x, t = logits.float().flatten(2), truth.float().flatten(2)
    p = x.sigmoid()
    on = alpha * (1 - p) ** gamma * F.softplus(-x)
    off = (1 - alpha) * p**gamma * F.softplus(x)
    return (on @ t.transpose(1, 2) + off @ (1 - t).transpose(1, 2)) / x.shape[-1]


@float32
def matched_masks(
    logits: Tensor, truth: Tensor, num_masks: Tensor, focal_weight: float, dice_weight: float
) -> Tensor:
    """Focal and Dice loss of the one-to-one matching that has the lowest sum of both.

    Predictions that no true mask is matched to are free. Where an image has more true masks than there are
    predictions, the worst ones stay without.

    Args:
        logits: (B, N, h', w') mask logits; resized to the size of `truth`.
        truth: (B, M, h, w) bool; rows past `num_masks` are padding.
        num_masks: (B,) masks of each image; 0 where an image has no mask supervision.

    Returns:
        Scalar, the mean over the true masks of the batch; 0 when there is none.
    """
    if not truth.shape[1]:
        return 0 * logits.float().sum()
    logits = resize_logits(logits, truth)
    cost = focal_weight * focal(logits, truth) + dice_weight * (1 - dice(logits.sigmoid(), truth))
    real = torch.arange(truth.shape[1], device=truth.device) < num_masks[:, None]  # (B, M)
    # a cost that is not a number is matched too: the loss then says so, with the keys of the batch
    rows, columns = hungarian(cost.masked_fill(~real[:, None], NEVER).nan_to_num(NEVER, NEVER))
    image = torch.arange(len(cost), device=cost.device)[:, None]
    return (cost[image, rows, columns] * real[image, columns]).sum() / real.sum().clamp(min=1)
