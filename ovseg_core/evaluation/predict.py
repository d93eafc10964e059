"""One image and a list of names to a class map, a picture of it and COCO masks.

Shape letters: H, W size of the image in pixels; C entries of the vocabulary. In a class map 0 is what the
background names took, k the k-th entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import VOID
from ovseg_core.evaluation import inference, overlays
from ovseg_core.evaluation.windows import Looks, looked_at
from ovseg_core.masks import rle
from ovseg_core.methods.registry import Method
from ovseg_core.shards import decode_image
from ovseg_core.text.prompts import parse_classes
from ovseg_core.training.checkpoint import load_model, read_config

LONGEST = 1024  # pixels; a larger image is compared at this size, and its class map enlarged
LONGEST_IN_WINDOWS = 4096
ONE_LOOK = Looks()
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
        looks: Looks = ONE_LOOK,
        centring: float = 0.0,
        cluster_weight: float = 0.0,
    ) -> None:
        self.method, self.looks = method, looks
        self.centring, self.cluster_weight = centring, cluster_weight
        self.names = ["background", *(synonyms[0] for synonyms in vocabulary)]
        with torch.inference_mode():
            self.queries = inference.embed_classes(method, [background, *vocabulary], prompts)
        self.asked = [index for index, count in enumerate(self.queries.num_texts) if count]
        self.colours = overlays.palette(len(vocabulary))

    @classmethod
    def load(cls, model: str, names: Sequence[str], background: Sequence[str] = ()) -> "Predictor":
        """From a folder `models/{run}/{seed}` and names, as `["fish", "grass, lawn"]`."""
        side = read_config(model).get("size")  # of the training images; a model from elsewhere may not say
        method = cast(Method, load_model(model))
        apart = [name for synonyms in parse_classes(background) for name in synonyms]
        return cls(method, parse_classes(list(names)), apart, looks=Looks(short_side=side))

    def show(self, path: str) -> Image.Image:
        """The picture of an image file, for a notebook."""
        image = decode_image(files.read_bytes(path))
        return Image.fromarray(self.draw(image, self(image)))

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Prediction:
        """Segment one (H, W, 3) uint8 image of any size."""
        size = image.shape[:2]
        shrink = min(1.0, (LONGEST if self.looks.window is None else LONGEST_IN_WINDOWS) / max(size))
        compared = max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
        small = _resized(image, compared)
        scores = looked_at(self._ask, small, self.looks, self.queries.embeddings.device)
        labels = np.asarray(self.asked, np.uint16)[inference.class_map(scores, compared, range(len(scores)))]
        means = {
            label: _mean(scores[self.asked.index(label)], labels == label)
            for label in np.unique(labels).tolist()
        }
        # int32: PIL resizes no 16-bit maps
        full = Image.fromarray(labels.astype(np.int32)).resize(size[::-1], Image.Resampling.NEAREST)
        return Prediction(np.asarray(full).astype(np.uint16), means)

    def _ask(self, images: torch.Tensor) -> torch.Tensor:
        scores = inference.class_scores(
            self.method, images, self.queries, "predicted", self.centring, self.cluster_weight
        )
        return scores[0, self.asked]

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
