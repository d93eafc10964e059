"""UperNet (arXiv:1807.10221), a segmenter of a fixed list of classes, which S-Seg+ trains on other labels.

Its classes are the words of its corpus. It answers by name like every method, for the names that it knows.
Shape letters: B images, T texts, C classes, h x w locations at the stride of the finest level.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core.losses.pixels import UNKNOWN, known_cross_entropy, label_map
from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.settings import UperNetSettings
from ovseg_core.models.fpn import upsample
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.tokens import is_vit
from ovseg_core.models.upernet import UperNetHead, ViTPyramid
from ovseg_core.params import ParamError
from ovseg_core.records import Batch


class UperNet(nn.Module):
    """Learns from class maps alone; captions are not read. `model.text` has no part in it."""

    Settings = UperNetSettings
    reads_labels = True
    starts_from = ("sseg", "openseg", "clip_dense")  # their backbone

    def __init__(self, settings: UperNetSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings, self.words = settings, list(words)
        width = model.image.width
        self.image: ViTPyramid | ImageTower
        if is_vit(model.image):
            self.image = ViTPyramid(model.image, settings.layers)
        else:
            self.image = ImageTower(model.image, pyramid=False)
        self.head = UperNetHead(self.image.channels, width, settings.pools)
        self.classify = nn.Conv2d(width, len(self.words), 1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`pixel`."""
        if unknown := sorted(set(batch.label_names) - set(self.words)):
            raise ParamError(
                f"upernet learns the words of its corpus, and these lack {unknown[:3]}, which its labels "
                "name; accepted: the labels of the stage self_label"
            )
        logits = self.classify(self.head(batch.features or self.image.maps(batch.images)))
        target = label_map(batch.masks, batch.labels)
        names = [self.words.index(name) for name in batch.label_names]
        own = torch.tensor([*names, UNKNOWN], device=target.device)[target]  # UNKNOWN is -1: the last
        logits = upsample(logits.float(), target.shape[1:])
        return {"pixel": known_cross_entropy(logits, own)}

    forward = losses  # so that DDP can wrap it

    def logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w)."""
        return self.classify(self.head(self.image.maps(images)))

    def layer_of(self, name: str) -> int | None:
        """Which layer of the backbone a parameter belongs to, for `train.layer_decay`; None behind it."""
        if not isinstance(self.image, ViTPyramid) or not name.startswith("image."):
            return None
        return self.image.layer_of(name.removeprefix("image."))

    @property
    def depth(self) -> int:
        """Layers of the backbone that `layer_of` counts; 0 for one without."""
        return self.image.depth if isinstance(self.image, ViTPyramid) else 0

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, C): 1 at the class of that name, zeros for a name that it does not know.

        Raises:
            ParamError: when it knows none of them.
        """
        place = {word: index for index, word in enumerate(self.words)}
        if texts and not place.keys() & set(texts):
            raise ParamError(
                f"upernet knows {len(place)} classes by name, such as {self.words[:3]}, and none of "
                f"{texts[:3]}; names are asked for as they are: evaluate.prompts has to be single"
            )
        known = torch.zeros(len(texts), len(place), device=self.classify.weight.device)
        for row, text in zip(known, texts, strict=True):
            if text in place:
                row[place[text]] = 1
        return known

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w) probabilities, or their means over given (B, M, H, W) masks; it proposes none."""
        shares = self.logits(images).float().softmax(1)
        scores = torch.einsum("tc,bchw->bthw", F.normalize(text_embeddings.float(), dim=-1), shares)
        if isinstance(regions, str):
            return scores
        means = pool(scores, match_size(regions, like=scores))  # (B, M, T)
        return (means.transpose(1, 2) @ regions.flatten(2).float()).unflatten(2, regions.shape[2:])
