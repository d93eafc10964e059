"""COCO's and LVIS's annotation files as class maps: panoptic PNGs, instances drawn as classes."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ovseg_core import files
from ovseg_core.benchmarks import coco_masks
from ovseg_core.benchmarks.benchmark import VOID, BenchmarkError, content_of

Json = dict[str, Any]


def read_json(path: str, keys: Sequence[str]) -> Json:
    """An annotation file.

    Raises:
        BenchmarkError: naming the file, when it is missing, no JSON, or lacks one of `keys`.
    """
    try:
        content = json.loads(content_of(path, "that it annotates"))
    except ValueError as error:
        raise BenchmarkError(f"{path} is not valid JSON: {error}; half a download?") from error
    lacking = [key for key in keys if not isinstance(content, dict) or key not in content]
    if lacking:
        raise BenchmarkError(
            f"{path} has no {lacking[0]!r}; an annotation file of COCO holds {', '.join(keys)}"
        )
    return content


def photo_of(image: Json, folder: str) -> str:
    """Where the photo of an entry of `images` lies: `val2017/000000000139.jpg` of its address, else its name.

    LVIS mixes photos of COCO's two splits, and says so in the addresses alone.
    """
    address = image.get("coco_url", "")
    name = "/".join(PurePosixPath(address).parts[-2:]) if address else image["file_name"]
    return files.join(folder, name)


def by_image(annotations: Sequence[Json]) -> dict[int, list[Json]]:
    """Annotations by image id."""
    found: dict[int, list[Json]] = defaultdict(list)
    for annotation in annotations:
        found[annotation["image_id"]].append(annotation)
    return dict(found)


@dataclass(frozen=True)
class PanopticFiles:
    """Photos and panoptic PNGs, whose pixels are segment ids R + 256 G + 256^2 B."""

    annotations: Mapping[str, Json]  # id -> entry of `annotations`
    masks: str  # folder of the PNGs
    photos: str
    classes: Mapping[int, int]  # category id -> class index
    where: str

    def image_path(self, key: str) -> str:
        """The file of one image; COCO names photo and PNG alike."""
        return files.join(self.photos, f"{PurePosixPath(self.annotations[key]['file_name']).stem}.jpg")

    def truth_paths(self, key: str) -> list[str]:
        """Its PNG and the annotation file."""
        return [files.join(self.masks, self.annotations[key]["file_name"]), self.where]

    def class_map(self, key: str) -> np.ndarray:
        """(H, W) uint16: crowds have their class, what is not annotated is VOID."""
        return self._drawn(key, lambda number, segment: self.classes[segment["category_id"]])

    def segments(self, key: str) -> np.ndarray:
        """(H, W) uint16: every segment apart; crowds are VOID."""
        return self._drawn(key, lambda number, segment: VOID if segment["iscrowd"] else number)

    def _drawn(self, key: str, value: Any) -> np.ndarray:
        path = self.truth_paths(key)[0]
        try:
            found = coco_masks.panoptic_ids(content_of(path, self.where))
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, BenchmarkError):
                raise
            raise BenchmarkError(f"{path} cannot be read as a PNG: {error}") from error
        info = self.annotations[key]["segments_info"]
        ids = np.array([0, *(segment["id"] for segment in info)])
        values = np.array([VOID, *(value(number, segment) for number, segment in enumerate(info))], np.uint16)
        order = ids.argsort()
        place = np.searchsorted(ids[order], found).clip(max=len(ids) - 1)
        known = ids[order][place] == found
        if not known.all():
            raise BenchmarkError(f"{path} has segment {found[~known][0]}, which {self.where} does not list")
        return values[order][place]


@dataclass(frozen=True)
class InstanceFiles:
    """Photos and instance masks drawn as classes: small ones lie on large ones, crowds as well."""

    images: Mapping[str, Json]  # id -> entry of `images`
    annotations: Mapping[int, list[Json]]  # by image id
    photos: str
    classes: Mapping[int, int]  # category id -> class index
    where: str

    def image_path(self, key: str) -> str:
        """The file of one image."""
        return photo_of(self.images[key], self.photos)

    def truth_paths(self, key: str) -> list[str]:
        """The annotation file."""
        return [self.where]

    def class_map(self, key: str) -> np.ndarray:
        """(H, W) uint16; what no instance covers is VOID."""
        return self._drawn(key, lambda number, instance: self.classes[instance["category_id"]])

    def segments(self, key: str) -> np.ndarray:
        """(H, W) uint16: every instance apart; crowds are VOID."""
        return self._drawn(key, lambda number, instance: VOID if instance.get("iscrowd") else number)

    def _drawn(self, key: str, value: Any) -> np.ndarray:
        image = self.images[key]
        size = image["height"], image["width"]
        drawn = np.full(size, VOID, np.uint16)
        ordered = sorted(self.annotations.get(image["id"], []), key=lambda one: (-one["area"], one["id"]))
        for number, instance in enumerate(ordered):
            drawn[coco_masks.decode(instance["segmentation"], *size)] = value(number, instance)
        return drawn
