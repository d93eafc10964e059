"""The class-agnostic mask model: OpenSeg's mask part with L_S alone, the teacher of Sec. 3.3.

Shape letters: B images, N masks, D width, h x w locations.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovseg_core.losses.dice import best_match_dice, mask_quality
from ovseg_core.masks.pooling import pool
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
        self.quality = None
        if settings.quality_weight:
            self.quality = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`mask`, and `quality` (times its weight) where the model scores its own masks."""
        features = self.image(batch.features or self.image.maps(batch.images))
        logits, queries = self.proposer(features)
        losses = {"mask": best_match_dice(logits, batch.masks, batch.num_masks)}
        if self.quality is not None:
            scores = self._scores(features, logits.detach().sigmoid(), queries)
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
        tower = self.image(features or self.image.maps(images))
        logits, queries = self.proposer(tower)
        masks = logits.float().sigmoid()
        return masks, self._scores(tower, masks, queries)

    def _scores(self, features: Tensor, masks: Tensor, queries: Tensor) -> Tensor:
        """(B, N): from each mask's query and what it covers; without a quality head, the mean confidence."""
        if self.quality is None:
            return confidence(masks)
        seen = pool(features, masks.to(features.dtype))
        return self.quality(torch.cat([queries, seen.to(queries.dtype)], -1))[..., 0].float().sigmoid()


def confidence(masks: Tensor) -> Tensor:
    """Mean probability over the locations where a mask is on: (B, N, h, w) -> (B, N), 0 for an empty mask."""
    on = masks > 0.5
    return (masks * on).sum((2, 3)) / on.sum((2, 3)).clamp(min=1)
