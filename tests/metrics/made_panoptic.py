"""COCO panoptic truth and predictions drawn at random, with void, crowds and segments of either alone."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 32
CATEGORIES = [{"id": 7 * n + 1, "name": f"c{n}", "isthing": int(n < 3)} for n in range(5)]


def write(folder: Path, maps: dict[int, tuple[np.ndarray, dict]]) -> dict:
    """PNGs of {image: (ids, {id: segment info})} and the content of their JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    annotations = []
    for image, (ids, infos) in maps.items():
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
        Image.fromarray(colours).save(folder / f"{image:05}.png")
        segments = [{"id": key, **info, "area": int((ids == key).sum())} for key, info in infos.items()]
        annotations.append({"image_id": image, "file_name": f"{image:05}.png", "segments_info": segments})
    images = [{"id": image, "height": SIDE, "width": SIDE} for image in maps]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def draw(rng: np.random.Generator, crowds: bool) -> tuple[np.ndarray, dict]:
    """Rectangles over each other; what none covers is void (0)."""
    ids = np.zeros((SIDE, SIDE), np.int64)
    for key in rng.choice(2**24 - 1, 7, replace=False) + 1:
        y, x = rng.integers(0, SIDE - 6, 2)
        height, width = rng.integers(4, 22, 2)
        ids[y : y + height, x : x + width] = key
    infos = {}
    for key in np.unique(ids[ids > 0]).tolist():
        infos[key] = {
            "category_id": CATEGORIES[rng.integers(5)]["id"],
            "iscrowd": int(crowds and rng.random() < 0.2),
        }
    return ids, infos


def guess(rng: np.random.Generator, ids: np.ndarray, infos: dict) -> tuple[np.ndarray, dict]:
    """The truth, moved, with other ids, some other classes, some segments gone and some added."""
    moved = np.roll(ids, rng.integers(-2, 3, 2), (0, 1))
    found, named = np.zeros_like(moved), {}
    for number, key in enumerate(np.unique(moved[moved > 0]).tolist(), 300):
        if rng.random() < 0.85:
            found[moved == key] = number
            right = rng.random() < 0.8
            named[number] = {
                "category_id": infos[key]["category_id"] if right else CATEGORIES[rng.integers(5)]["id"]
            }
    y, x = rng.integers(0, SIDE - 10, 2)
    found[y : y + 9, x : x + 9] = 200
    named[200] = {"category_id": CATEGORIES[rng.integers(5)]["id"]}
    return found, {key: info for key, info in named.items() if (found == key).any()}


def made(folder: Path, seed: int, images: int, crowds: bool = True) -> tuple[dict, dict]:
    """The JSON of truth and predictions; PNGs lie in `folder/truth` and `folder/predictions`."""
    rng = np.random.default_rng(seed)
    truth = {image: draw(rng, crowds) for image in range(1, images + 1)}
    predictions = {image: guess(rng, *drawn) for image, drawn in truth.items()}
    return write(folder / "truth", truth), write(folder / "predictions", predictions)
