"""The attention heads of a vision transformer as masks, which DINO shows and OVSegmentor's Table 11 probes.

Shape letters: B images, N heads, h x w patches.
"""

from typing import Any

from torch import Tensor, nn

from ovseg_core.masks.attention import keep_mass
from ovseg_core.methods.settings import ViTAttentionSettings
from ovseg_core.models.normalize import NORMALIZE, Normalize
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.tokens import in_whole_patches, is_vit, vit_of_any_size
from ovseg_core.params import check
from ovseg_core.records import Batch


class ViTAttention(nn.Module):
    """A pretrained transformer of timm, such as DINO's, as it is: masks without names."""

    Settings = ViTAttentionSettings
    trains = False

    def __init__(self, settings: ViTAttentionSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        from timm.utils import AttentionExtract

        self.settings = settings
        backbone = model.image.backbone
        check(is_vit(model.image), "model.image.backbone", backbone, "a vision transformer for this method")
        vit: Any = vit_of_any_size(model.image).requires_grad_(False)
        check(vit.cls_token is not None, "model.image.backbone", backbone, "one with a class token")
        self.first = vit.num_prefix_tokens
        self.patch = vit.patch_embed.patch_size
        last = vit.blocks[-1].attn
        last.fused_attn = False  # that would not tell its weights
        self.extract = AttentionExtract(vit, [f"blocks.{len(vit.blocks) - 1}.attn.attn_drop"], method="hook")
        self.normalize = Normalize(*NORMALIZE[model.image.normalize])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """There is nothing to learn."""
        raise NotImplementedError("vit_attention is not trained")

    def attention(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images in [0, 1] -> where the class token looks in the last layer, (B, N, h, w)."""
        images = in_whole_patches(images, self.patch)
        grid = [side // patch for side, patch in zip(images.shape[2:], self.patch, strict=True)]
        [weights] = self.extract(self.normalize(images)).values()
        return weights[:, :, 0, self.first :].unflatten(2, grid)

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, h, w), 1 where a head's highest values hold `share` of its attention."""
        return keep_mass(self.attention(images), self.settings.share).float()
