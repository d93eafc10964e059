"""The class-agnostic mask model: OpenSeg's mask part with L_S alone, the teacher of Sec. 3.3.

Shape letters: B images, N masks, D width, h x w locations.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from ovseg_core.losses.dice import best_match_dice, mask_quality
from ovseg_core.methods.settings import MaskModelSettings
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.mask_proposer import MaskProposer
from ovseg_core.models.settings import ModelSettings
from ovseg_core.records import Batch


class MaskModel(nn.Module):
    """Masks without names. It has no text side: `words` are not needed and `score_maps` is not offered."""

    Settings = MaskModelSettings

    def __init__(self, settings: MaskModelSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        width = model.image.width
        self.image = ImageTower(model.image)
        self.proposer = MaskProposer(width, settings.num_regions, settings.layers, settings.positions)
        self.quality_weight = settings.quality_weight
        self.quality = nn.Linear(width, 1) if settings.quality_weight else None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`mask`, and `quality` (times its weight) where the model scores its own masks."""
        logits, queries = self.proposer(self.image(batch.features or self.image.maps(batch.images)))
        losses = {"mask": best_match_dice(logits, batch.masks, batch.num_masks)}
        if self.quality is not None:
            scores = self.quality(queries)[..., 0].sigmoid()
            quality = mask_quality(scores, logits.detach(), batch.masks, batch.num_masks)
            losses["quality"] = self.quality_weight * quality
        return losses

    forward = losses  # so that DDP can wrap it

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images in [0, 1] -> (B, N, h, w) mask probabilities."""
        return self.scored_proposals(images)[0]

    def scored_proposals(self, images: Tensor, features: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """Mask probabilities (B, N, h, w) and a score in [0, 1] of each mask (B, N).

        `features` are cached maps of a frozen backbone, in place of the images.
        """
        logits, queries = self.proposer(self.image(features or self.image.maps(images)))
        masks = logits.float().sigmoid()
        if self.quality is not None:
            return masks, self.quality(queries)[..., 0].float().sigmoid()
        return masks, confidence(masks)


def confidence(masks: Tensor) -> Tensor:
    """Mean probability over the locations where a mask is on: (B, N, h, w) -> (B, N), 0 for an empty mask."""
    on = masks > 0.5
    return (masks * on).sum((2, 3)) / on.sum((2, 3)).clamp(min=1)
