"""The image side of an open_clip vision transformer, read token by token in CLIP's joint space.

Shape letters: B images, H x W pixels, L = h x w patches, W width of the transformer, D joint width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.models.normalize import Normalize
from ovseg_core.models.settings import OPEN_CLIP, TextSettings
from ovseg_core.models.text_towers import open_clip_config
from ovseg_core.models.tokens import at_size, in_whole_patches
from ovseg_core.models.weights import load_weights
from ovseg_core.params import ParamError

if TYPE_CHECKING:  # open_clip takes seconds to import
    from open_clip.transformer import VisionTransformer

VISUAL = "visual."  # prefix of the image side in the weights of a whole open_clip model


class ClipTokens(nn.Module):
    """Patches of an image as CLIP's last layer leaves them: its plain tokens, or their value embeddings."""

    def __init__(self, settings: TextSettings) -> None:
        """The model is the one that `model.text` names: CLIP's two sides belong together."""
        super().__init__()
        from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

        self.vit = image_side(settings).requires_grad_(False).eval()
        self.normalize = Normalize(OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)

    def forward(self, images: Tensor, value: bool) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) images in [0, 1] -> tokens (B, D, h, w) and keys of the last layer (B, L, W).

        Args:
            value: tokens are read through the value path of the last layer, as in MaskCLIP; else as they are.
        """
        x, size = self.embedded(images)
        *before, last = self.vit.transformer.resblocks
        for block in before:
            x = block(x)
        path, keys = value_path(last, x)
        x = (path if value else last(x))[:, 1:]
        x = self.vit.ln_post(x) @ self.vit.proj
        return x.transpose(1, 2).unflatten(2, size), keys[:, 1:]

    def embedded(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Class token and patches before the first layer, (B, 1 + L, W), and (h, w).

        Sides that are no multiple of the patch are resized to the nearest one; positions are interpolated.
        """
        images = in_whole_patches(images, self.vit.patch_size)
        patches = self.vit.conv1(self.normalize(images))
        first, rest = self.vit.positional_embedding.split([1, self.vit.positional_embedding.shape[0] - 1])
        grid = rest.T.unflatten(1, self.vit.grid_size)[None]
        x = (patches + at_size(grid, patches)).flatten(2).transpose(1, 2)
        start = (self.vit.class_embedding + first).expand(len(x), -1, -1)
        return self.vit.ln_pre(torch.cat([start.to(x.dtype), x], 1)), (patches.shape[2], patches.shape[3])


def value_path(block: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """A layer in which each token attends to itself alone, and the layer's keys (MaskCLIP, arXiv:2112.01071).

    Then attention is its value embedding: queries and keys of the last layer are trained for the class token
    only. Residuals and MLP stay, as in the authors' code. Both of open_clip's layouts are read:
    `nn.MultiheadAttention`, and its own `Attention` with norms and scales.

    Args:
        x: (B, 1 + L, W) tokens before the layer.
    """
    from open_clip.transformer import Attention

    attention = block.attn
    _, keys, values = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias).chunk(
        3, dim=-1
    )
    if isinstance(attention, Attention):
        if attention.head_scale is not None:
            scaled = values.unflatten(-1, (attention.num_heads, -1)) * attention.head_scale[:, 0]
            values = scaled.flatten(-2)
        out = block.ln_attn(attention.out_proj(attention.ln_inner(values)))
    else:
        out = attention.out_proj(values)
    x = x + block.ls_1(out)
    return x + block.ls_2(block.mlp(block.ln_2(x))), keys


def image_side(settings: TextSettings) -> VisionTransformer:
    """The image side of the open_clip model that `model.text` names, with its weights.

    Raises:
        ParamError: for another tower, a model that is no vision transformer of open_clip's own, one that
            pools by attention, or weights that do not fit.
    """
    import open_clip
    from open_clip.model import _build_vision_tower
    from open_clip.transformer import VisionTransformer

    name = settings.tower.removeprefix(OPEN_CLIP)
    if name == settings.tower:
        raise ParamError(f"model.text.tower is {settings.tower!r}; accepted for maskclip: {OPEN_CLIP}<name>")
    config, weights = open_clip_config(settings), settings.weights
    if weights and not weights.endswith(".safetensors"):
        made: Any = open_clip.create_model(name, pretrained=weights)
        visual = made.visual
    else:
        visual = _build_vision_tower(
            config["embed_dim"], config["vision_cfg"], config.get("quick_gelu", False)
        )
        if weights:
            load_weights(visual, weights, "model.text.weights", may_lack=(), prefix=VISUAL)
    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None:
        raise ParamError(
            f"model.text.tower is {settings.tower!r}, whose image side is a {type(visual).__name__}"
            f"{' that pools by attention' if isinstance(visual, VisionTransformer) else ''}; accepted for "
            "maskclip: a vision transformer of open_clip's own with a class token, such as open_clip:ViT-B-16"
        )
    return visual
