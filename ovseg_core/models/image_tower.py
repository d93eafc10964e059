"""Pixels (or cached maps of a frozen backbone) to one feature map F.

Shape letters: B images, H x W pixels, D pyramid width, h x w locations.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovseg_core.models.backbones import build_backbone
from ovseg_core.models.components import Components
from ovseg_core.models.fpn import FPN
from ovseg_core.models.normalize import NORMALIZE, Normalize
from ovseg_core.models.settings import ImageSettings


class ImageTower(nn.Module):
    """Backbone and feature pyramid; without `pyramid` F is the backbone's last map as it is."""

    def __init__(self, settings: ImageSettings, pyramid: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.backbone, channels = build_backbone(settings)
        self.backbone.requires_grad_(not settings.frozen)
        self.components = None
        if settings.components:
            self.components = Components(channels[-1], settings.components)
            channels = [*channels[:-1], settings.components]
        self.fpn = FPN(channels, settings.width) if pyramid else None
        self.channels = channels  # of the maps
        self.last_width = channels[-1]
        self.width = settings.width if pyramid else self.last_width
        self.normalize = Normalize(*NORMALIZE[settings.normalize])
        self._last: tuple[Tensor | None, list[Tensor]] = None, []
        self.train()

    def train(self, mode: bool = True) -> "ImageTower":
        """A frozen backbone stays in evaluation; `frozen_norm` keeps batch norms there."""
        super().train(mode)
        self._last = None, []
        if self.settings.frozen:
            self.backbone.eval()
        if self.settings.frozen_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) images in [0, 1] -> backbone maps, finest first.

        In evaluation the maps of the last images are kept: an evaluation reads one batch in several ways.
        """
        reading = not (self.training or torch.is_grad_enabled())
        if reading and images is self._last[0]:
            return self._last[1]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.settings.frozen):
            maps = list(self.backbone(self.normalised(images)))
        if self.components is not None:
            maps[-1] = self.components(maps[-1])
        if reading:
            self._last = images, maps
        return maps

    def normalised(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images in [0, 1] -> what the backbone was made for."""
        return self.normalize(images).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def frozen_maps(self, images: Tensor) -> list[Tensor]:
        """What the `features` stage caches and a batch carries as `features`; only of a frozen backbone."""
        if not self.settings.frozen:
            raise ValueError("model.image.frozen is False: maps of a backbone that trains cannot be cached")
        return self.maps(images)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Backbone maps, fresh or cached -> F, (B, D, h, w) at the stride of the first level."""
        if self.fpn is None:
            return last_map(maps)
        return self.fpn([computable(level) for level in maps])


def last_map(maps: Sequence[Tensor]) -> Tensor:
    """The coarsest map, (B, C, h, w), as `computable`."""
    return computable(maps[-1])


def computable(level: Tensor) -> Tensor:
    """A map in the type that autocast computes in, or single precision: cached ones come as float16."""
    kind = level.device.type
    return level.to(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32)
