"""Feature pyramid, summed into its finest level (OpenSeg Sec. 3.1, 4.1), and the heads on top of it."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FPN(nn.Module):
    """Lateral 1x1 convolutions, top-down sums, 3x3 smoothing (arXiv:1612.03144); the levels summed at P2."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps of rising stride, [(B, C_l, h_l, w_l)] -> (B, width, h, w) at the size of the first."""
        size = maps[0].shape[-2:]
        top = self.lateral[-1](maps[-1])
        fused = upsample(self.smooth[-1](top), size)
        for lateral, smooth, level in zip(
            reversed(self.lateral[:-1]), reversed(self.smooth[:-1]), reversed(maps[:-1]), strict=True
        ):
            top = lateral(level) + upsample(top, level.shape[-2:])
            fused = fused + upsample(smooth(top), size)
        return fused


class Head(nn.Module):
    """A fully connected layer per location, then three 3x3 convolutions (Sec. 4.1), the last one linear."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(inputs, width, 1)
        sizes = [width, width, width, outputs]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        return self.convs[-1](self._before_last(x))

    def mean(self, x: Tensor) -> Tensor:
        """The mean over locations of what `forward` gives, (B, outputs), for less.

        Means and convolutions are linear: of its input the last one needs no more than the sums over what
        each place of its window passes.
        """
        last: Any = self.convs[-1]
        x = self._before_last(x)
        height, width = x.shape[-2:]
        passed = torch.einsum("yk,xl->yxkl", window_places(height, x), window_places(width, x))
        sums = passed.flatten(2).flatten(0, 1).T @ x.flatten(2).transpose(1, 2)  # (B, 9, width)
        with torch.autocast(x.device.type, enabled=False):
            sums = sums.float().transpose(1, 2).flatten(1) / (height * width)
            return F.linear(sums, last.weight.float().flatten(1), last.bias.float())

    def _before_last(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        for norm, conv in zip(self.norms[:-1], self.convs[:-1], strict=True):
            x = conv(torch.relu(norm(x)))
        return torch.relu(self.norms[-1](x))


def window_places(size: int, like: Tensor) -> Tensor:
    """(size, 3): 1 where a place of a window of 3 passes over a location, as it moves over all of them."""
    places = like.new_ones(size, 3)
    places[-1, 0] = places[0, 2] = 0
    return places


def upsample(x: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """Bilinear, or as it is where the size is right already."""
    return x if x.shape[-2:] == size else F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)
