"""An image against several texts of its own (GroupViT, arXiv:2202.11094, Sec. 3.2).

Shape letters: B images, N texts of each, D embedding width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32

LOWEST = -1e4  # a logit that stands for "not there"


@float32
def multi_label_contrast(
    images: Tensor, texts: Tensor, has: Tensor, temperature: Tensor, same: Tensor | None = None
) -> Tensor:
    """The multi-label contrastive loss, in both directions over the batch.

        L = 1/2 * (mean_i -1/N_i sum_n log sigma(<z_i, t>)_in + mean_in -log sigma(<z, t_in>)_i)

    GroupViT's paper has the logarithm of a sum for images; its code has this cross-entropy, equal shares.

    Args:
        images: (B, D), texts: (B, N, D), of any length; normalised here.
        has: (B, N) bool, False where an image has fewer texts: such a text is no negative either.
        temperature: scalar tau.
        same: (B, B, N) bool, texts of other images that are true of an image too: no negatives of it. None,
            as in the paper: every other one is a negative.

    Returns:
        Scalar in nats, the mean over images that have texts; 0 when none has.
    """
    x, y = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    logits = torch.einsum("bd,cnd->bcn", x, y) / temperature
    logits = logits.masked_fill(~has[None], LOWEST)
    row = torch.arange(len(x), device=x.device)
    if same is not None:
        other = torch.ones(len(x), len(x), 1, dtype=torch.bool, device=x.device)
        other[row, row] = False
        logits = logits.masked_fill(same & other, LOWEST)
    to_texts = logits.flatten(1).log_softmax(1).view_as(logits)[row, row]  # (B, N)
    to_images = logits.log_softmax(0)[row, row]
    share = has / has.sum(1, keepdim=True).clamp(min=1)
    of_images = (to_texts * share).sum() / has.any(1).sum().clamp(min=1)
    of_texts = (to_images * has).sum() / has.sum().clamp(min=1)
    return -(of_images + of_texts) / 2
