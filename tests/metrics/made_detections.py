"""Truth and detections drawn at random: crowds, empty images, equal scores, boxes that hit exactly."""

import numpy as np

from ovseg_core.masks import rle

SIDE = 64


def made(seed: int, images: int, classes: int = 10, lvis: bool = False) -> tuple[dict, list[dict]]:
    """COCO annotations (or LVIS's, federated and without crowds) and results with both boxes and masks."""
    rng = np.random.default_rng(seed)
    truth = {"images": [], "annotations": [], "categories": [], "info": {}}
    truth["categories"] = [
        {"id": 3 * c + 1, "name": f"c{c}", "frequency": "rcf"[c % 3]} for c in range(classes)
    ]
    names = [entry["id"] for entry in truth["categories"]]
    found: list[dict] = []
    for image in range(1, images + 1):
        present = [annotation(rng, image, names, crowd=not lvis) for _ in range(rng.integers(0, 6))]
        for entry in present:
            entry["id"] = len(truth["annotations"]) + 1
            truth["annotations"].append(entry)
        truth["images"].append({"id": image, "height": SIDE, "width": SIDE} | federation(rng, present, names))
        if rng.random() < 0.9:
            found += [detection(rng, image, present, names) for _ in range(rng.integers(0, 12))]
    return truth, found


def box(rng: np.random.Generator) -> list[int]:
    width, height = rng.integers(2, SIDE // 2, 2) if rng.random() < 0.8 else rng.integers(SIDE // 2, SIDE, 2)
    return [int(rng.integers(0, SIDE - width)), int(rng.integers(0, SIDE - height)), int(width), int(height)]


def mask(rng: np.random.Generator, where: list[int]) -> dict:
    x, y, width, height = where
    pixels = np.zeros((1, SIDE, SIDE), bool)
    pixels[0, y : y + height, x : x + width] = True
    pixels[0, rng.integers(0, SIDE, 6), rng.integers(0, SIDE, 6)] ^= True
    return dict(rle.encode(pixels)[0])


def annotation(rng: np.random.Generator, image: int, names: list[int], crowd: bool) -> dict:
    where = box(rng)
    drawn = mask(rng, where)
    entry = {"image_id": image, "category_id": int(rng.choice(names)), "bbox": where, "segmentation": drawn}
    entry["area"] = float(rle.area([drawn])[0])
    return entry | ({"iscrowd": int(rng.random() < 0.15)} if crowd else {})


def federation(rng: np.random.Generator, present: list[dict], names: list[int]) -> dict:
    """A few classes known to be absent, and present ones of which not all are annotated."""
    there = sorted({entry["category_id"] for entry in present})
    absent = [name for name in names if name not in there]
    negative = rng.choice(absent, min(3, len(absent)), replace=False).tolist()
    some = [name for name in there if rng.random() < 0.3]
    return {"neg_category_ids": negative, "not_exhaustive_category_ids": some}


def detection(rng: np.random.Generator, image: int, present: list[dict], names: list[int]) -> dict:
    where, name = box(rng), int(rng.choice(names))
    if present and rng.random() < 0.7:
        near = present[rng.integers(len(present))]
        name = near["category_id"]
        x, y, width, height = near["bbox"]
        moved = rng.integers(-2, 3, 4) if rng.random() < 0.8 else np.zeros(4, int)
        x, y = max(0, int(x + moved[0])), max(0, int(y + moved[1]))
        where = [
            x,
            y,
            max(1, min(int(width + moved[2]), SIDE - x)),
            max(1, min(int(height + moved[3]), SIDE - y)),
        ]
    score = float(rng.integers(1, 11)) / 10  # ten scores: many are equal
    entry = {"image_id": image, "category_id": name, "score": score, "segmentation": mask(rng, where)}
    return entry | {"bbox": [float(side) for side in where]}


def only(rows: list[dict], iou_type: str) -> list[dict]:
    """Results with boxes or masks alone."""
    other = {"bbox": "segmentation", "segm": "bbox"}[iou_type]
    return [{key: value for key, value in row.items() if key != other} for row in rows]
