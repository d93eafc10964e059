"""Images to tokens on a grid, and the transformer layers that go with them.

A timm vision transformer brings both. Any other backbone brings a map, whose locations become the tokens of
new layers. Shape letters: B images, H x W pixels, h x w the grid of tokens, L = hw, D width.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.normalize import NORMALIZE, Normalize
from ovseg_core.models.settings import TIMM, ImageSettings
from ovseg_core.models.weights import load_weights
from ovseg_core.params import ParamError

if TYPE_CHECKING:  # timm takes two seconds to import, and most methods do without
    from timm.models.vision_transformer import VisionTransformer

TRANSFORMERS = ("vit_", "deit_", "deit3_")  # families of timm that are a VisionTransformer
HEAD_WIDTH = 32  # of new layers


class ViTTokens(nn.Module):
    """Patches and positions of a timm vision transformer, without its class token."""

    def __init__(self, settings: ImageSettings, vit: VisionTransformer) -> None:
        super().__init__()
        self.patch_embed, self.norm_pre, self.width = vit.patch_embed, vit.norm_pre, vit.embed_dim
        self.frozen = False
        positions: Any = vit.pos_embed
        side = vit.patch_embed.grid_size
        patches = positions.detach()[:, -side[0] * side[1] :]
        self.positions = nn.Parameter(patches.transpose(1, 2).unflatten(2, side).clone())
        self.normalize = Normalize(*NORMALIZE[settings.normalize])

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) images in [0, 1] -> one map of embedded patches (B, D, h, w), positions added."""
        images = in_whole_patches(images, self.patch_embed.patch_size)
        x = self.patch_embed.proj(self.normalize(images))
        x = self.patch_embed.norm(x.movedim(1, -1)).movedim(-1, 1)
        return [self.norm_pre((x + at_size(self.positions, x)).movedim(1, -1)).movedim(-1, 1)]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Its one map -> (B, D, h, w)."""
        return maps[-1]


class MapTokens(nn.Module):
    """Locations of an image tower's map F, with learnt positions; the tower may be frozen and cached."""

    def __init__(self, settings: ImageSettings, positions: int) -> None:
        super().__init__()
        # A frozen backbone's last map needs no pyramid: its tokens are what the transformer layers refine.
        self.tower = ImageTower(settings, pyramid=not settings.frozen)
        self.frozen = settings.frozen
        self.width = settings.width
        self.fit: nn.Module = nn.Identity()
        if self.tower.width != settings.width:
            self.fit = nn.Conv2d(self.tower.width, settings.width, 1)
        self.positions = nn.Parameter(torch.randn(1, settings.width, positions, positions) * 0.02)

    @property
    def components(self) -> nn.Module | None:
        """Those of its image tower, which the stage `features` finds."""
        return self.tower.components

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) images in [0, 1] -> backbone maps, finest first."""
        return self.tower.maps(images)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Backbone maps, fresh or cached -> (B, D, h, w), positions added."""
        x = self.fit(self.tower(maps))
        return x + at_size(self.positions, x)


def in_whole_patches(images: Tensor, patch: Sequence[int]) -> Tensor:
    """(B, 3, H, W), its sides resized to the nearest multiples of a patch (h, w), so that the grid fits."""
    size = [max(1, round(n / p)) * p for n, p in zip(images.shape[2:], patch, strict=True)]
    if list(images.shape[2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False)


def at_size(positions: Tensor, like: Tensor) -> Tensor:
    """(1, D, p, q) position embeddings at the size of a map, bicubic as in DINO."""
    if positions.shape[-2:] != like.shape[-2:]:
        positions = F.interpolate(positions, like.shape[-2:], mode="bicubic", align_corners=False)
    return positions.to(like.dtype)


def build_tokens(
    settings: ImageSettings, layers: int, positions: int
) -> tuple[ViTTokens | MapTokens, list[nn.Module], nn.Module]:
    """What makes tokens, `layers` transformer layers for them, and the norm behind the last one.

    Raises:
        ParamError: for a vision transformer with fewer layers, or one that timm does not have.
    """
    if is_vit(settings):
        if settings.frozen:
            raise ParamError(
                "model.image.frozen is True; accepted: false for a vision transformer, whose layers train"
            )
        vit = timm_vit(settings)
        if len(vit.blocks) < layers:
            raise ParamError(
                f"{layers} transformer layers are asked for in methods, but model.image.backbone "
                f"{settings.backbone!r} has {len(vit.blocks)}"
            )
        return ViTTokens(settings, vit), list(vit.blocks)[:layers], vit.norm
    from timm.models.vision_transformer import Block

    tokens = MapTokens(settings, positions)
    width = tokens.width
    heads = max(1, width // HEAD_WIDTH)
    blocks: list[nn.Module] = [Block(width, heads, qkv_bias=True) for _ in range(layers)]
    return tokens, blocks, nn.LayerNorm(width)


def is_vit(settings: ImageSettings) -> bool:
    """Whether `model.image.backbone` is a plain vision transformer of timm."""
    return settings.backbone.removeprefix(TIMM).startswith(TRANSFORMERS)


def vit_of_any_size(settings: ImageSettings) -> VisionTransformer:
    """`timm_vit`, whose positions are interpolated where an image has another size than it was made for."""
    vit: Any = timm_vit(settings)
    vit.patch_embed.strict_img_size, vit.dynamic_img_size = False, True
    vit.patch_embed.flatten, vit.patch_embed.output_fmt = False, "NHWC"
    return vit


def timm_vit(settings: ImageSettings) -> VisionTransformer:
    """A plain vision transformer of timm, with the weights that `model.image.weights` names.

    Raises:
        ParamError: for a name that timm does not have, another architecture, or weights that do not fit.
    """
    import timm
    from timm.models.vision_transformer import VisionTransformer

    name = settings.backbone.removeprefix(TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models("*vit*"), 5)
        raise ParamError(f"model.image.backbone is {settings.backbone!r}: timm has no {name!r}; near: {near}")
    pretrained = settings.weights == "pretrained"
    vit: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, **settings.options)
    if not isinstance(vit, VisionTransformer) or vit.pos_embed is None:
        raise ParamError(
            f"model.image.backbone is {settings.backbone!r}, which has no grid of positions; "
            "accepted: plain vision transformers such as timm:vit_small_patch16_224.dino"
        )
    if settings.weights and not pretrained:
        load_weights(vit, settings.weights, "model.image.weights", may_lack=())
    return vit
