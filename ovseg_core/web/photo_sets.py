"""The annotated photos of the source `photos`: COCO (labelled set and a benchmark) and VOC (a benchmark).

The COCO photos with panoptic masks are split by their sorted ids: those at even places are labelled data,
those at odd places the benchmark. A photo of the benchmark is never among the labelled ones.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ovseg_core.records import BadSample
from ovseg_core.web import class_names, coco_masks, hashing
from ovseg_core.web.benchmark_writer import Annotated, Description
from ovseg_core.web.labelled import Labelled

PANOPTIC = "coco_panoptic_train100/panoptic_segmentation/annotations/panoptic_train2017"
PANOPTIC_PHOTOS = "coco_panoptic_train100/images/train2017"
INSTANCES = "coco_subset_128/instances_train2017.json"
INSTANCE_PHOTOS = "coco_subset_128/images"
VOC_MASKS = "voc_train200/SegmentationClassAug"
VOC_PHOTOS = "voc_train200/JPEGImages"
NEEDED = [f"{PANOPTIC}.json", PANOPTIC, PANOPTIC_PHOTOS, INSTANCES, INSTANCE_PHOTOS, VOC_MASKS, VOC_PHOTOS]
FREQUENT, MOST_FREQUENT = 16, 8  # photos that show a frequent class, and how many classes count as frequent
ANIMALS_AND_PEOPLE = ["bird", "cat", "cow", "dog", "horse", "person", "sheep"]
VOC_PROTOCOL = (
    "All photos of the folder at their own size. 20 class names compete; the background is what is predicted "
    "as one of the 39 PASCAL Context classes that VOC lacks. foreground: background pixels void. frequent: "
    "the 8 classes in most photos, at least 16 each."
)
COCO_PROTOCOL = (
    "Every second photo of the panoptic set by sorted id, at its own size; the others are labelled data. The "
    "panoptic classes that occur in these photos compete for every pixel; unannotated pixels are void."
)
Json = dict[str, Any]


class Coco:
    """COCO photos with panoptic masks, and further ones with instance masks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.panoptic = json.loads((folder / f"{PANOPTIC}.json").read_text())
        self.instances = json.loads((folder / INSTANCES).read_text())
        self.categories: dict[int, Json] = {c["id"]: c for c in self.panoptic["categories"]}
        ordered = sorted(self.panoptic["annotations"], key=lambda annotation: annotation["image_id"])
        self.for_labels, self.for_benchmark = ordered[::2], ordered[1::2]
        shown = {s["category_id"] for a in self.for_benchmark for s in a["segments_info"]}
        self.classes = [number for number in sorted(self.categories) if number in shown]

    def description(self) -> Description:
        """The benchmark's classes: those that occur in its photos."""
        return Description(
            name="coco-photos",
            names=[class_names.coco(self.categories[number]["name"]) for number in self.classes],
            kinds=["thing" if self.categories[number]["isthing"] else "stuff" for number in self.classes],
            protocol=COCO_PROTOCOL,
        )

    def names_of(self, kind: str) -> list[str]:
        """First names of the benchmark's classes of one kind."""
        about = self.description()
        return [name.split(",")[0] for name, its in zip(about.names, about.kinds, strict=True) if its == kind]

    def benchmark(self) -> Iterator[Annotated]:
        """The photos at odd places, with their class maps."""
        index = {number: place for place, number in enumerate(self.classes)}
        for annotation in tqdm(self.for_benchmark, desc="web: coco-photos", unit="photo"):
            png = (self.folder / PANOPTIC / annotation["file_name"]).read_bytes()
            classes = coco_masks.panoptic_classes(png, annotation["segments_info"], index)
            yield Annotated(
                id=f"{annotation['image_id']:012d}", jpeg=self._photo(annotation), classes=classes
            )

    def labelled(self, drops: Counter[str]) -> Iterator[Labelled]:
        """The photos at even places, then those with instance masks; the benchmark's photos are kept out."""
        ids = {annotation["image_id"] for annotation in self.for_benchmark}
        contents = {hashing.sha256(self._photo(annotation)) for annotation in self.for_benchmark}
        images = chain(self._with_panoptic(), self._with_instances(drops))
        for image in tqdm(images, desc="web: labelled", unit="photo"):
            if int(image.id) in ids or hashing.sha256(image.jpeg) in contents:
                drops["in_benchmark"] += 1
            else:
                yield image

    def _photo(self, annotation: Json) -> bytes:
        return (self.folder / PANOPTIC_PHOTOS / f"{annotation['image_id']:012d}.jpg").read_bytes()

    def _with_panoptic(self) -> Iterator[Labelled]:
        licences = _licences(self.panoptic)
        names = {number: class_names.coco(c["name"]) for number, c in self.categories.items()}
        for annotation in self.for_labels:
            png = (self.folder / PANOPTIC / annotation["file_name"]).read_bytes()
            yield Labelled(
                id=str(annotation["image_id"]),
                jpeg=self._photo(annotation),
                segments=coco_masks.panoptic_segments(png, annotation["segments_info"], names),
                caption="",
                licence=licences[annotation["image_id"]],
                source="coco_panoptic",
            )

    def _with_instances(self, drops: Counter[str]) -> Iterator[Labelled]:
        licences = _licences(self.instances)
        names = {c["id"]: class_names.coco(c["name"]) for c in self.instances["categories"]}
        by_image = defaultdict(list)
        for annotation in self.instances["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        for image in sorted(self.instances["images"], key=lambda image: image["id"]):
            size = image["height"], image["width"]
            try:
                segments = coco_masks.instance_segments(by_image[image["id"]], *size, names)
            except BadSample as error:
                drops[error.reason] += 1
                continue
            yield Labelled(
                id=str(image["id"]),
                jpeg=(self.folder / INSTANCE_PHOTOS / image["file_name"]).read_bytes(),
                segments=segments,
                caption="",
                licence=licences[image["id"]],
                source="coco_instances",
            )


class Voc:
    """PASCAL VOC photos with class masks: 0 background, 1-20, 255 void."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        photos = {path.stem for path in (folder / VOC_PHOTOS).glob("*.jpg")}
        self.ids = sorted(path.stem for path in (folder / VOC_MASKS).glob("*.png") if path.stem in photos)

    def description(self) -> Description:
        """VOC's classes, with OpenSeg's rule for the background, and the classes worth averaging over."""
        photos: Counter[int] = Counter()
        for name in self.ids:
            photos.update(np.unique(self._mask(name)).tolist())
        often = sorted((-photos[c], c) for c in range(1, 21) if photos[c] >= FREQUENT)[:MOST_FREQUENT]
        frequent = [class_names.VOC[c].split(",")[0] for _, c in often]
        return Description(
            name="voc-photos",
            names=class_names.VOC,
            kinds=["stuff"] + ["thing"] * 20,
            protocol=VOC_PROTOCOL,
            background={"index": 0, "names": class_names.CONTEXT_BACKGROUND},
            subsets={"frequent": frequent, "animals_people": ANIMALS_AND_PEOPLE},
        )

    def benchmark(self) -> Iterator[Annotated]:
        for name in tqdm(self.ids, desc="web: voc-photos", unit="photo"):
            mask = self._mask(name)
            jpeg = (self.folder / VOC_PHOTOS / f"{name}.jpg").read_bytes()
            yield Annotated(id=name, jpeg=jpeg, classes=np.where(mask == 255, -1, mask))

    def _mask(self, name: str) -> np.ndarray:
        with Image.open(self.folder / VOC_MASKS / f"{name}.png") as image:
            return np.asarray(image).astype(np.int64)


def _licences(content: Json) -> dict[int, str]:
    """Licence names by image id."""
    names = {licence["id"]: licence["name"] for licence in content["licenses"]}
    return {image["id"]: names.get(image["license"], "") for image in content["images"]}
