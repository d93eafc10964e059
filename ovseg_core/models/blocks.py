"""Small blocks that several towers share."""

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each location of a (B, C, h, w) map, as in ConvNeXt.

    Nothing in it depends on the batch or on other locations, and in channels_last bf16 it takes a third of
    the time of a group norm on a processor.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        normed = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)
