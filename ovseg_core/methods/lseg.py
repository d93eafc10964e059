"""LSeg+ (arXiv:2201.03546 with a pyramid, OpenSeg Sec. 4.3): per-pixel cross-entropy to class names.

Shape letters: B images, T texts, D joint width, h x w locations.
"""

import torch
from torch import Tensor, nn

from ovseg_core.losses.pixels import label_map, pixel_cross_entropy
from ovseg_core.methods.inference import local_scores, region_scores
from ovseg_core.methods.settings import LSegSettings
from ovseg_core.models.fpn import upsample
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.mask_proposer import SemanticHead
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.records import Batch


class LSeg(nn.Module):
    """Learns from masks with class names only; captions are not read."""

    Settings = LSegSettings
    reads_labels = True  # batches then carry the class names of the whole labelled set

    def __init__(self, settings: LSegSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.temperature = torch.tensor(settings.temperature)
        self.image = ImageTower(model.image)
        self.text = build_text_tower(model.text, words, model.embed_dim)
        self.semantics = SemanticHead("conv", self.image, model.embed_dim)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`pixel`."""
        features = self.semantics.dense(self.image(batch.features or self.image.maps(batch.images)))
        target = label_map(batch.masks, batch.labels)
        features = upsample(features.float(), target.shape[1:])
        names = embed(self.text, batch.label_names)
        return {"pixel": pixel_cross_entropy(features, names, target, self.temperature)}

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
