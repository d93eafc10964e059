"""A benchmark small enough to work out by hand, and a method that knows colours by name."""

import json
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.inference import local_scores

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "lime": (0, 255, 0),  # what the fake method sees as green
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
}
SETTINGS = EvalSettings(
    use_proposals="predicted",
    prompts="single",
    short_side=None,
    cluster_weight=0.0,
    centring=0.0,
    background="benchmark",
    max_proposals=128,
    batch_size=2,
    threads=1,
    workers=1,
    num_gpus=0,
    gallery=2,
    seed=0,
)


class ColourMethod(nn.Module):
    """A real, if simple, method: a text is a colour, a score is how near a pixel is to it.

    Proposals are the four quadrants. Given regions score with their mean colour. `blind` colours are
    unknown to it: they score 0 everywhere.
    """

    def __init__(self, blind: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.blind = blind
        self.asked: list[str] = []

    def embed_text(self, texts: list[str]) -> Tensor:
        self.asked += texts
        named = [next((n for n in COLOURS if n in text and n not in self.blind), None) for text in texts]
        rows = [COLOURS[name] if name else (0, 0, 0) for name in named]
        return nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=-1)

    def score_maps(self, images: Tensor, text_embeddings: Tensor, regions="predicted") -> Tensor:
        if isinstance(regions, str) and regions == "predicted":
            regions = self.proposals(images) > 0.5
        if not isinstance(regions, str):
            share = regions.float() / regions.float().sum((2, 3), keepdim=True).clamp(min=1)
            mean = torch.einsum("bnhw,bchw->bnc", share, images)
            images = torch.einsum("bnc,bnhw->bchw", mean, regions.float())
        return local_scores(images, text_embeddings, regions if isinstance(regions, str) else "none")

    def proposals(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        masks = torch.zeros(len(images), 4, height, width)
        tops, lefts = (0, height // 2, height), (0, width // 2, width)
        for index in range(4):
            row, column = divmod(index, 2)
            masks[:, index, tops[row] : tops[row + 1], lefts[column] : lefts[column + 1]] = 1
        return masks


def paint(labels: np.ndarray, names: list[str]) -> np.ndarray:
    """(H, W) class indices as an image in the colours of their names."""
    return np.array([COLOURS[name] for name in names], np.uint8)[labels]


def write_mask(path, truth) -> None:
    """A palette PNG, as PASCAL VOC has them."""
    image = Image.fromarray(np.asarray(truth, np.uint8), "P")
    image.putpalette(bytes(range(256)) * 3)
    image.save(path)


def write_benchmark(folder, scenes, names=("red", "green, lime", "blue"), kinds=None, **changes):
    """A benchmark of `scenes`, id -> ((H, W) truth, (H, W, 3) image)."""
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for key, (truth, image) in scenes.items():
        # PNG bytes under the name .jpg: exact colours, and readers go by content
        Image.fromarray(image).save(folder / f"JPEGImages/{key}.jpg", "PNG")
        write_mask(folder / f"SegmentationClass/{key}.png", truth)
    (folder / "ImageSets/Segmentation/val.txt").write_text("\n".join(scenes) + "\n")
    description = {
        "name": folder.name,
        "names": list(names),
        "kinds": kinds or ["thing"] * (len(names) - 1) + ["stuff"],
        "background": None,
        "held_out": [],
        "subsets": {},
        "protocol": "coloured squares",
    }
    (folder / "benchmark.json").write_text(json.dumps(description | changes))
    return folder


def settings(**changes) -> EvalSettings:
    """The defaults of these tests with something changed."""
    return replace(SETTINGS, **changes)
