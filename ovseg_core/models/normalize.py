"""Pixels in the range that a backbone was made for."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NORMALIZE = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # x / 127.5 - 1 of bytes
}


class Normalize(nn.Module):
    """Mean and deviation of each channel taken out; no part of a model's weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images in [0, 1], in that range."""
        return (images - self.mean) / self.deviation
