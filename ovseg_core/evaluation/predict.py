"""One image and a list of names to a class map, a picture of it and COCO masks.

Shape letters: H, W size of the image in pixels; C entries of the vocabulary. In a class map 0 is what the
background names took, k the k-th entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ovseg_core.benchmarks.benchmark import VOID
from ovseg_core.evaluation import inference, overlays
from ovseg_core.masks import rle
from ovseg_core.methods.registry import Method

LONGEST = 1024  # pixels; a larger image is compared at this size, and its class map enlarged
SHOWN = 360, 1280  # short and long side of an overlay, pixels


@dataclass(frozen=True)
class Prediction:
    """What a model says about one image."""

    labels: np.ndarray  # (H, W) uint16, 0 background, k the k-th entry of the vocabulary
    scores: dict[int, float]  # per label its mean score where it won, in the method's own unit


class Predictor:
    """A method and a vocabulary: each entry a list of synonyms, the background as one entry more."""

    def __init__(
        self,
        method: Method,
        vocabulary: Sequence[Sequence[str]],
        background: Sequence[str] = (),
        prompts: str = "single",
        short_side: int | None = None,
        centring: float = 0.0,
    ) -> None:
        self.method, self.short_side, self.centring = method, short_side, centring
        self.names = ["background", *(synonyms[0] for synonyms in vocabulary)]
        with torch.inference_mode():
            self.queries = inference.embed_classes(method, [background, *vocabulary], prompts)
        self.asked = [index for index, count in enumerate(self.queries.num_texts) if count]
        self.colours = overlays.palette(len(vocabulary))

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Prediction:
        """Segment one (H, W, 3) uint8 image of any size."""
        size = image.shape[:2]
        shrink = min(1.0, LONGEST / max(size))
        compared = max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
        batch = inference.to_input(
            [_resized(image, compared)], self.short_side, self.queries.embeddings.device
        )
        scores = inference.class_scores(self.method, batch, self.queries, "predicted", self.centring)[0]
        labels = inference.class_map(scores, compared, self.asked)
        means = {label: _mean(scores[label], labels == label) for label in np.unique(labels).tolist()}
        # int32: PIL resizes no 16-bit maps
        full = Image.fromarray(labels.astype(np.int32)).resize(size[::-1], Image.Resampling.NEAREST)
        return Prediction(np.asarray(full).astype(np.uint16), means)

    def draw(self, image: np.ndarray, prediction: Prediction) -> np.ndarray:
        """(H', W', 3) uint8: the class map over the image, and a legend by area."""
        shifted = np.where(prediction.labels > 0, prediction.labels - 1, VOID).astype(np.uint16)
        picture = overlays.overlay(*overlays.fit(image, shifted, *SHOWN), self.colours)
        share = np.bincount(prediction.labels.ravel(), minlength=len(self.names)) / prediction.labels.size
        ordered = sorted(np.flatnonzero(share[1:]) + 1, key=lambda label: (-share[label], label))
        entries = [(f"{self.names[k]}  {_percent(share[k])}", self.colours[k - 1]) for k in ordered]
        return overlays.with_legend(picture, entries)

    def coco(self, prediction: Prediction, name: str) -> list[dict[str, Any]]:
        """COCO masks, one for each entry that occurs: `image, category, segmentation` (RLE) and `score`."""
        present = [label for label in sorted(prediction.scores) if label > 0]
        masks = rle.encode(np.stack([prediction.labels == k for k in present])) if present else []
        return [
            {
                "image": name,
                "category": self.names[label],
                "segmentation": mask,
                "score": round(prediction.scores[label], 5),
            }
            for label, mask in zip(present, masks, strict=True)
        ]


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def _mean(scores: torch.Tensor, mask: np.ndarray) -> float:
    full = F.interpolate(scores[None, None], mask.shape, mode="bilinear", align_corners=False)[0, 0]
    return float(full[torch.from_numpy(mask).to(full.device)].double().mean())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
