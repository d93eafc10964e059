"""S-Seg (Lai, "Exploring Simple Open-Vocabulary Semantic Segmentation"): masks say where, captions say what.

A MaskFormer-like model: L = L_mask + L_text. L_mask matches masks to those of a clustering teacher; L_text
contrasts the mean of the segments' embeddings with captions and with prompted nouns and verbs.

Shape letters: B images, N queries, T texts, D joint width, h x w locations at the stride of the finest level.
"""

import torch
from torch import Tensor, nn

from ovseg_core.losses.mask_matching import matched_masks
from ovseg_core.methods.contrast import Contrast, text_rows
from ovseg_core.methods.grouping import temperature_of
from ovseg_core.methods.inference import local_scores, region_scores
from ovseg_core.methods.prompting import prompted_names
from ovseg_core.methods.settings import SSegSettings
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.mask_proposer import MaskProposer, SemanticHead
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch


class SSeg(nn.Module):
    """Built from OpenSeg's parts, with queries that also attend to each other and one-to-one matching.

    A segment's embedding is what its mask covers. Read from the query's own vector, as classes are in
    MaskFormer, it says what is in the image but not where: any query can hold any of it (toy world: 16 mIoU
    instead of 67).
    """

    Settings = SSegSettings
    reads_nouns = True
    reads_verbs = True

    def __init__(self, settings: SSegSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        self.image = ImageTower(model.image)
        self.text = build_text_tower(model.text, words, model.embed_dim)
        self.semantics = SemanticHead(settings.head, self.image, model.embed_dim)
        self.proposer = MaskProposer(
            model.image.width,
            settings.num_queries,
            settings.layers,
            settings.positions,
            self_attention=True,
        )
        self.log_temperature = nn.Parameter(torch.tensor(0.07).log())
        self.log_label_temperature = nn.Parameter(torch.tensor(0.07).log()) if settings.num_prompts else None

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`mask`, `contrastive`, and with nouns and verbs `multi_label`."""
        settings = self.settings
        maps = batch.features or self.image.maps(batch.images)
        features = self.image(maps)
        logits, _ = self.proposer(features)
        weights = settings.focal_weight, settings.dice_weight
        losses = {"mask": matched_masks(logits, batch.masks, batch.num_masks, *weights)}
        source = self.semantics.source(maps, features)
        return losses | self._text_losses(self.segments(source, logits.sigmoid()), batch)

    forward = losses  # so that DDP can wrap it

    def segments(self, source: Tensor, masks: Tensor) -> Tensor:
        """What the head reads (B, _, h, w) and masks (B, N, H, W) -> embeddings of the segments (B, N, D)."""
        return self.semantics.regions(source, masks).float()

    def _text_losses(self, segments: Tensor, batch: Batch) -> dict[str, Tensor]:
        settings, images = self.settings, segments.mean(1)
        contrast = Contrast(
            batch, temperature_of(self.log_temperature), settings.mask_negatives, settings.sync
        )
        losses = {"contrastive": contrast.pairs(images, self.embed_text(batch.captions))}
        if self.log_label_temperature is not None:
            count, names = settings.num_prompts, batch.nouns
            drawn, texts = prompted_names(
                batch.captions, names, count, settings.prompts, batch.seed, verbs=True
            )
            rows, has = text_rows(self.embed_text, texts, count, images.device)
            contrast.temperature = temperature_of(self.log_label_temperature)
            losses["multi_label"] = contrast.labels(images, rows, has, drawn, names)
        return losses

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) embeddings of unit length."""
        return embed(self.text, texts)

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, h, w) mask probabilities."""
        return self._masks(self.image(self.image.maps(images)))

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w) scores: its own masks, locations (`none`), `clusters`, or given masks (B, M, H, W)."""
        maps = self.image.maps(images)
        features = self.image(maps)
        source = self.semantics.source(maps, features)
        if isinstance(regions, str) and regions != "predicted":
            return local_scores(self.semantics.dense(source), text_embeddings, regions)
        masks = self._masks(features) if isinstance(regions, str) else regions
        return region_scores(self.segments(source, masks), masks, text_embeddings)

    def _masks(self, features: Tensor) -> Tensor:
        return self.proposer(features)[0].float().sigmoid()
