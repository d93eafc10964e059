"""COCO's annotated photos as labelled images, from panoptic and instance annotations."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ovseg_core.benchmarks import class_names, coco_masks
from ovseg_core.params import ParamError
from ovseg_core.records import BadSample
from ovseg_core.web.labelled import Labelled

Json = dict[str, Any]


class Panoptic:
    """Photos with panoptic masks.

    Args:
        annotations: the JSON file; the PNGs lie in the folder of its name, as COCO has them.
        photos: the folder of the JPEGs.
        captions: COCO's captions of the same photos, or None.
    """

    def __init__(self, annotations: Path, photos: Path, captions: Path | None = None) -> None:
        content = read_json(annotations)
        self.masks, self.photos = annotations.with_suffix(""), photos
        self.categories: dict[int, Json] = {c["id"]: c for c in content["categories"]}
        self.licences = licences(content)
        self.captions = read_captions(captions) if captions else {}
        self.all = sorted(content["annotations"], key=lambda annotation: annotation["image_id"])

    def photo(self, annotation: Json) -> bytes:
        """The JPEG of a photo, as it is."""
        return (self.photos / f"{annotation['image_id']:012d}.jpg").read_bytes()

    def labelled(self, annotations: Sequence[Json]) -> Iterator[Labelled]:
        """Photos with segments, and captions where there are some."""
        names = {number: class_names.coco(c["name"]) for number, c in self.categories.items()}
        for annotation in annotations:
            png = (self.masks / annotation["file_name"]).read_bytes()
            number = annotation["image_id"]
            yield Labelled(
                id=str(number),
                jpeg=self.photo(annotation),
                segments=coco_masks.panoptic_segments(png, annotation["segments_info"], names),
                caption="\n".join(self.captions.get(number, [])),
                licence=self.licences.get(number, ""),
                source="coco_panoptic",
            )


def instances(annotations: Path, photos: Path, drops: Counter[str]) -> Iterator[Labelled]:
    """Photos with instance masks; one without an instance is counted as `no_segments`."""
    content = read_json(annotations)
    known = licences(content)
    names = {category["id"]: class_names.coco(category["name"]) for category in content["categories"]}
    by_image = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    for image in sorted(content["images"], key=lambda image: image["id"]):
        size = image["height"], image["width"]
        try:
            segments = coco_masks.instance_segments(by_image[image["id"]], *size, names)
        except BadSample as error:
            drops[error.reason] += 1
            continue
        yield Labelled(
            id=str(image["id"]),
            jpeg=(photos / image["file_name"]).read_bytes(),
            segments=segments,
            caption="",
            licence=known.get(image["id"], ""),
            source="coco_instances",
        )


def read_captions(path: Path) -> dict[int, list[str]]:
    """Captions by image id, in the order of their own ids."""
    captions: dict[int, list[str]] = defaultdict(list)
    for annotation in sorted(read_json(path)["annotations"], key=lambda annotation: annotation["id"]):
        captions[annotation["image_id"]].append(" ".join(annotation["caption"].split()))
    return captions


def licences(content: Json) -> dict[int, str]:
    """Licence names by image id."""
    names = {licence["id"]: licence["name"] for licence in content.get("licenses", [])}
    return {image["id"]: names.get(image.get("license"), "") for image in content["images"]}


def read_json(path: Path) -> Json:
    """A JSON object; a broken file is named."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ParamError(f"web.folder: {path} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or "annotations" not in content:
        raise ParamError(f"web.folder: {path} has no `annotations`; it has to be an annotation file of COCO")
    return content
