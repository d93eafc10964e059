"""COCO's two forms of segments, panoptic PNGs and instance polygons, as maps of segment ids."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from ovseg_core.records import BadSample, Segments

Json = Mapping[str, Any]


def panoptic_ids(png: bytes) -> np.ndarray:
    """(H, W) int64 segment ids of a panoptic PNG: R + 256 G + 256^2 B, 0 where nothing is annotated."""
    with Image.open(io.BytesIO(png)) as image:
        channels = np.asarray(image.convert("RGB")).astype(np.int64)
    return channels @ np.array([1, 256, 65536])


def panoptic_segments(png: bytes, info: Sequence[Json], names: Mapping[int, str]) -> Segments:
    """Segments of a panoptic PNG with the names of their categories; crowds are left out."""
    found = panoptic_ids(png)
    single = [segment for segment in info if not segment["iscrowd"] and (found == segment["id"]).any()]
    ids = np.zeros(found.shape, np.uint16)
    for number, segment in enumerate(single, start=1):
        ids[found == segment["id"]] = number
    return Segments(ids=ids, names=[names[segment["category_id"]] for segment in single])


def panoptic_classes(png: bytes, info: Sequence[Json], index: Mapping[int, int]) -> np.ndarray:
    """(H, W) int64 class indices of a panoptic PNG by `index[category id]`, -1 where nothing is annotated."""
    found = panoptic_ids(png)
    classes = np.full(found.shape, -1, np.int64)
    for segment in info:
        classes[found == segment["id"]] = index[segment["category_id"]]
    return classes


def instance_segments(
    annotations: Sequence[Json], height: int, width: int, names: Mapping[int, str]
) -> Segments:
    """Segments of instance annotations: small ones lie on large ones, and crowds are left out.

    An instance that others cover entirely gets no segment.

    Raises:
        BadSample: when there is no instance.
    """
    ids = np.zeros((height, width), np.uint16)
    single = sorted((a for a in annotations if not a["iscrowd"]), key=lambda a: (-a["area"], a["id"]))
    for number, annotation in enumerate(single, start=1):
        ids[decode(annotation["segmentation"], height, width)] = number
    seen = np.unique(ids[ids > 0])
    if not len(seen):
        raise BadSample("no_segments")
    renumber = np.zeros(len(single) + 1, np.uint16)
    renumber[seen] = np.arange(1, len(seen) + 1)
    return Segments(ids=renumber[ids], names=[names[single[number - 1]["category_id"]] for number in seen])


def decode(segmentation: Any, height: int, width: int) -> np.ndarray:
    """(H, W) bool from COCO polygons or a run-length encoding, compressed or not."""
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str | bytes):
        return coco_mask.decode(segmentation).astype(bool)
    runs = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(coco_mask.merge(runs) if isinstance(runs, list) else runs).astype(bool)
