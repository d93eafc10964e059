"""Image-caption contrast over the batch.

Shape letters: B images and captions, D embedding width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32


@float32
def info_nce(images: Tensor, texts: Tensor, temperature: Tensor, same: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE of CLIP (arXiv:2103.00020): row b of each side belongs to row b of the other.

    Args:
        images, texts: (B, D) of any length; normalised here.
        temperature: scalar tau.
        same: (B, B) bool, pairs off the diagonal that also belong together (one caption on two images):
            they are left out of the negatives. None: every other pair is a negative.

    Returns:
        Scalar in nats, the mean of both directions; log B for unrelated rows.
    """
    x, y = F.normalize(images.float(), dim=-1), F.normalize(texts.float(), dim=-1)
    logits = x @ y.T / temperature
    if same is not None:
        diagonal = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(same & ~diagonal, -1e4)
    return -(logits.log_softmax(0).diagonal() + logits.log_softmax(1).diagonal()).mean() / 2
