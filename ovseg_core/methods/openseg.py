"""OpenSeg (Ghiasi et al., arXiv:2112.12143): masks first, then words aligned to masks.

Shape letters: B images, N regions, T texts, D joint width, h x w locations at the stride of the finest level.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ovseg_core.losses import gather
from ovseg_core.losses.dice import best_match_dice
from ovseg_core.losses.grounding import grounding, word_scores, word_to_image
from ovseg_core.masks.clustering import grid_regions, kmeans_regions
from ovseg_core.methods.inference import local_scores, region_scores
from ovseg_core.methods.settings import OpenSegSettings
from ovseg_core.methods.words import embed_words
from ovseg_core.models.fpn import upsample
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.mask_proposer import MaskProposer, SemanticHead
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch


class OpenSeg(nn.Module):
    """L = L_G + alpha L_S (Eq. 5), read by Eq. 6."""

    Settings = OpenSegSettings
    starts_from = ("masks",)  # its masks alone, besides models of its own kind

    def __init__(self, settings: OpenSegSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        has_masks, width = settings.regions in ("learnt", "frozen"), model.image.width
        self.image = ImageTower(model.image, pyramid=has_masks or settings.head == "conv")
        self.text = build_text_tower(model.text, words, model.embed_dim)
        self.semantics = SemanticHead(settings.head, self.image, model.embed_dim)
        self.proposer = None
        if has_masks:
            self.proposer = MaskProposer(width, settings.num_regions, settings.layers, settings.positions)
        for part in self._frozen():
            part.requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())  # tau, Eq. 2

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`grounding`, and with learnt masks `mask` (alpha L_S); `word` where its weight is set."""
        maps = batch.features or self.image.maps(batch.images)
        features = self.image(maps)
        losses = {}
        if self.proposer is None or self.settings.regions == "frozen":
            regions = self._regions(maps, features)
        else:
            logits, _ = self.proposer(features)
            regions = logits.sigmoid()
            losses["mask"] = self.settings.alpha * best_match_dice(logits, batch.masks, batch.num_masks)
        z = self.semantics.regions(self.semantics.source(maps, features), regions)
        return losses | self._word_losses(z, batch)

    forward = losses  # so that DDP can wrap it

    def train(self, mode: bool = True) -> "OpenSeg":
        """Frozen parts keep the running statistics of their norms."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return [self.image, self.proposer] if self.proposer and self.settings.regions == "frozen" else []

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) embeddings of unit length."""
        return embed(self.text, texts)

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, h, w) mask probabilities."""
        maps = self.image.maps(images)
        return self._regions(maps, self.image(maps))

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w) scores: predicted masks, locations (`none`), `clusters`, given (B, M, H, W) masks."""
        maps = self.image.maps(images)
        features = self.image(maps)
        source = self.semantics.source(maps, features)
        if isinstance(regions, str) and regions != "predicted":
            return local_scores(self.semantics.dense(source), text_embeddings, regions)
        masks = self._regions(maps, features) if isinstance(regions, str) else regions
        return region_scores(self.semantics.regions(source, masks), masks, text_embeddings)

    def _regions(self, maps: Sequence[Tensor], features: Tensor) -> Tensor:
        if self.proposer is None:
            return self._fixed_regions(maps, features)
        return self.proposer(features)[0].float().sigmoid()

    def _fixed_regions(self, maps: Sequence[Tensor], features: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        if self.settings.regions == "grid":
            side = int(self.settings.num_regions**0.5)
            return grid_regions(len(features), side, height, width, features.device)
        return kmeans_regions(upsample(maps[-1].float(), (height, width)), self.settings.num_regions)

    def _word_losses(self, regions: Tensor, batch: Batch) -> dict[str, Tensor]:
        words = embed_words(self.text, batch, self.settings.kp)
        if self.settings.sync and gather.is_distributed():
            regions, words = gather.gather_rows(regions.float())[0], words.gathered()
        temperature = self.log_temperature.exp().clamp(min=0.01)  # CLIP's bound
        scores = word_scores(regions, words.embeddings, self.settings.region_temperature or temperature)
        aligned = grounding(scores, words, temperature, self.settings.mask_negatives)
        losses = {"grounding": self.settings.grounding_weight * aligned}
        if self.settings.word_weight:
            losses["word"] = self.settings.word_weight * word_to_image(scores, words, temperature)
        return losses
