"""UperNet's head (arXiv:1807.10221), and maps of a plain vision transformer for it.

Shape letters: B images, C_l channels and h_l x w_l locations of level l, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.models.fpn import upsample
from ovseg_core.models.normalize import NORMALIZE, Normalize
from ovseg_core.models.settings import ImageSettings
from ovseg_core.models.tokens import in_whole_patches, vit_of_any_size
from ovseg_core.params import check

SCALES = (4, 2, 1, 0.5)  # of the four maps against the grid of patches, as in BEiT


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU; the map keeps its size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class UperNetHead(nn.Module):
    """Pyramid pooling on the last level, a feature pyramid over all, its levels joined at the finest."""

    def __init__(self, channels: Sequence[int], width: int, pools: Sequence[int]) -> None:
        super().__init__()
        self.pools = list(pools)
        self.pooled = nn.ModuleList(Conv(channels[-1], width, 1) for _ in pools)
        self.bottleneck = Conv(channels[-1] + len(self.pools) * width, width)
        self.lateral = nn.ModuleList(Conv(c, width, 1) for c in channels[:-1])
        self.smooth = nn.ModuleList(Conv(width, width) for _ in channels[:-1])
        self.fuse = Conv(len(channels) * width, width)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of rising stride, [(B, C_l, h_l, w_l)] -> (B, D, h, w) at the size of the first."""
        top = maps[-1]
        context = [
            upsample(conv(F.adaptive_avg_pool2d(top, side)), top.shape[-2:])
            for conv, side in zip(self.pooled, self.pools, strict=True)
        ]
        below = self.bottleneck(torch.cat([top, *context], 1))
        levels = [below]
        for conv, smooth, level in zip(
            reversed(self.lateral), reversed(self.smooth), reversed(maps[:-1]), strict=True
        ):
            below = conv(level) + upsample(below, level.shape[-2:])
            levels.append(smooth(below))
        return self.fuse(torch.cat([upsample(level, maps[0].shape[-2:]) for level in levels], 1))


class ViTPyramid(nn.Module):
    """A plain vision transformer as a backbone of four levels (S-Seg+, after BEiT).

    Layers 4, 6, 8 and 12 of 12; where a patch has 16 pixels they come out at strides 4, 8, 16 and 32.
    """

    def __init__(self, settings: ImageSettings, layers: Sequence[int]) -> None:
        super().__init__()
        check(not settings.frozen, "model.image.frozen", True, "false for a vision transformer, which trains")
        vit: Any = vit_of_any_size(settings)
        depth = len(vit.blocks)
        good = len(layers) == len(SCALES) and sorted(set(layers)) == list(layers) and layers[-1] <= depth
        check(good, "methods.upernet.layers", list(layers), f"four rising numbers from 1 to {depth}")
        self.vit, self.layers, self.depth = vit, list(layers), depth
        width = vit.embed_dim
        self.channels = [width] * len(SCALES)
        self.scale = nn.ModuleList(
            [
                nn.Sequential(up(width), nn.BatchNorm2d(width), nn.GELU(), up(width)),
                up(width),
                nn.Identity(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        )
        self.normalize = Normalize(*NORMALIZE[settings.normalize])

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) images in [0, 1] -> four maps, finest first; sides become multiples of a patch."""
        images = in_whole_patches(images, self.vit.patch_embed.patch_size)
        x = self.normalize(images)
        indices = [layer - 1 for layer in self.layers]
        found = self.vit.forward_intermediates(x, indices=indices, intermediates_only=True)
        return [scale(level) for scale, level in zip(self.scale, found, strict=True)]

    def layer_of(self, name: str) -> int | None:
        """Which layer a parameter of `vit` belongs to, 0 for what comes before the first; None for others."""
        if not name.startswith("vit."):
            return None
        parts = name.split(".")
        return int(parts[2]) + 1 if parts[1] == "blocks" else (self.depth if parts[1] == "norm" else 0)


def up(width: int) -> nn.ConvTranspose2d:
    """Twice the size, learnt."""
    return nn.ConvTranspose2d(width, width, 2, 2)
