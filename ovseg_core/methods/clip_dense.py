"""The baseline without grouping: whole images against whole captions, then text similarity per location.

Shape letters: B images, T texts, D joint width, h x w locations.
"""

import torch
from torch import Tensor, nn

from ovseg_core.losses import gather
from ovseg_core.losses.contrastive import info_nce
from ovseg_core.methods.inference import local_scores, region_scores
from ovseg_core.methods.settings import ClipDenseSettings
from ovseg_core.methods.words import word_batch
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.mask_proposer import SemanticHead
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch


class ClipDense(nn.Module):
    """InfoNCE on the mean embedding of an image, read at each location as in CAM (Sec. 4.3)."""

    Settings = ClipDenseSettings

    def __init__(self, settings: ClipDenseSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        self.image = ImageTower(model.image, pyramid=settings.head == "conv")
        self.text = build_text_tower(model.text, words, model.embed_dim)
        self.semantics = SemanticHead(settings.head, self.image, model.embed_dim)
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`contrastive`."""
        maps = batch.features or self.image.maps(batch.images)
        images = self.semantics.whole(self.image(maps))
        said = [" ".join(words) for words in batch.words] if self.settings.text == "words" else batch.captions
        texts = embed(self.text, said)
        count = sum(map(len, batch.words))
        words = word_batch(batch, batch.words, images.new_zeros(count, 0))
        if self.settings.sync and gather.is_distributed():
            images, texts = gather.gather_rows(images)[0], gather.gather_rows(texts)[0]
            words = words.gathered()
        same = words.describes() if self.settings.mask_negatives else None
        return {"contrastive": info_nce(images, texts, self.log_temperature.exp().clamp(min=0.01), same)}

    forward = losses  # so that DDP can wrap it

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) embeddings of unit length."""
        return embed(self.text, texts)

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w) cosines of locations or their clusters, or over given (B, M, H, W) masks."""
        features = self.image(self.image.maps(images))
        if isinstance(regions, str):
            return local_scores(self.semantics.dense(features), text_embeddings, regions)
        return region_scores(self.semantics.regions(features, regions), regions, text_embeddings)
