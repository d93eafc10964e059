"""Tiny data sets, bit for bit in the formats that the benchmarks are published in."""

import io
import json

import numpy as np
from PIL import Image
from scipy.io import savemat

PALETTE = bytes(range(256)) * 3


def put(path, content):
    """Write bytes, text or JSON, with the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, (dict, list)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def encoded(image, kind="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def photo(height, width, kind="JPEG"):
    return encoded(Image.fromarray(np.full((height, width, 3), 90, np.uint8)), kind)


def palette_png(labels):
    """Mode P, as PASCAL VOC's."""
    image = Image.fromarray(np.array(labels, np.uint8))
    image.putpalette(PALETTE)
    assert image.mode == "P"
    return encoded(image)


def grey_png(labels):
    """Mode L, as ADE20K's, Cityscapes' and COCO-Stuff's."""
    return encoded(Image.fromarray(np.array(labels, np.uint8)))


def tiff16(labels):
    """16-bit TIFF, as detectron2's converter of ADE20K writes."""
    return encoded(Image.fromarray(np.array(labels, np.uint16)), "TIFF")


def rgb_png(ids, base=256):
    """R + 256 G + 256^2 B: COCO panoptic and ImageNet-S."""
    ids = np.array(ids, np.int64)
    pixels = np.stack([ids % base, ids // base % base, ids // base**2], -1).astype(np.uint8)
    return encoded(Image.fromarray(pixels))


def label_map(labels):
    """A .mat file with a uint16 LabelMap, as PASCAL Context's."""
    buffer = io.BytesIO()
    savemat(buffer, {"LabelMap": np.array(labels, np.uint16)})
    return buffer.getvalue()


def instance(number, image, category, box, area=None, crowd=0):
    """An entry of COCO's instance annotations: a rectangle as a polygon."""
    x, y, w, h = box
    polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return {
        "id": number, "image_id": image, "category_id": category, "bbox": [x, y, w, h], "area": area or w * h,
        "iscrowd": crowd, "segmentation": polygon,
    }  # fmt: skip


def lvis(root):
    """Two photos, one from each of COCO's splits; three categories, one of which never occurs."""
    photos = [("val2017", 7), ("train2017", 9)]
    for split, number in photos:
        put(root / split / f"{number:012d}.jpg", photo(4, 6))
    images = [
        {
            "id": number, "height": 4, "width": 6, "coco_url": f"http://images.cocodataset.org/{split}/{number:012d}.jpg",
            "neg_category_ids": [3], "not_exhaustive_category_ids": [],
        }
        for split, number in photos
    ]  # fmt: skip
    names = [("acorn", "r", ["acorn"]), ("baseball_bat", "c", ["baseball_bat", "bat"]), ("cat", "f", ["cat"])]
    categories = [
        {"id": number, "name": name, "frequency": frequency, "synonyms": synonyms, "synset": f"{name}.n.01"}
        for number, (name, frequency, synonyms) in enumerate(names, 1)
    ]
    annotations = [
        instance(1, 7, 2, (0, 0, 4, 4)),
        instance(2, 7, 1, (1, 1, 2, 2)),
        instance(3, 9, 2, (0, 0, 1, 1)),
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    put(root / "annotations/lvis_v1_val.json", content)
    return content


def panoptic(root, split="val2017"):
    """One photo with two persons, one of them with an id above 65535, a crowd, and a wall."""
    put(root / split / "000000000042.jpg", photo(4, 4))
    ids = [[5, 5, 70000, 70000], [5, 5, 70000, 70000], [300, 300, 9, 9], [0, 0, 9, 9]]
    put(root / f"annotations/panoptic_{split}/000000000042.png", rgb_png(ids))
    info = [
        {"id": 5, "category_id": 1, "iscrowd": 0}, {"id": 70000, "category_id": 1, "iscrowd": 0},
        {"id": 300, "category_id": 1, "iscrowd": 1}, {"id": 9, "category_id": 199, "iscrowd": 0},
    ]  # fmt: skip
    categories = [
        {"id": 1, "name": "person", "isthing": 1},
        {"id": 18, "name": "dog", "isthing": 1},
        {"id": 199, "name": "wall-other-merged", "isthing": 0},
    ]
    content = {
        "images": [{"id": 42, "file_name": "000000000042.jpg", "height": 4, "width": 4}],
        "annotations": [{"image_id": 42, "file_name": "000000000042.png", "segments_info": info}],
        "categories": categories,
    }
    put(root / f"annotations/panoptic_{split}.json", content)
    return content


def voc(root, home="VOCdevkit/VOC2012"):
    """Two photos with the background, an aeroplane, a tv monitor and void."""
    for key in ("2007_000033", "2007_000042"):
        put(root / home / f"JPEGImages/{key}.jpg", photo(4, 3))
        labels = np.repeat([[0], [1], [20], [255]], 3, axis=1)
        put(root / home / f"SegmentationClass/{key}.png", palette_png(labels))
    put(root / home / "ImageSets/Segmentation/val.txt", "2007_000033\n2007_000042\n")
    return root
