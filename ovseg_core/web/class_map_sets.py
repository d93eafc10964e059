"""Photos with a class map each, as PASCAL VOC and PASCAL Context come: a folder of JPEGs, one of PNGs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ovseg_core.web import class_names
from ovseg_core.web.benchmark_writer import Annotated, Description

FREQUENT, MOST_FREQUENT = 16, 8  # photos that show a frequent class, and how many classes count as frequent
ANIMALS_AND_PEOPLE = ["bird", "cat", "cow", "dog", "horse", "person", "sheep"]
VOC_PROTOCOL = (
    "All photos at their own size. 20 class names compete; the background is what is predicted as one of the "
    "39 PASCAL Context classes that VOC lacks (OpenSeg, Sec. 4.1). foreground: background pixels void. "
    "frequent: the 8 classes in most photos, at least 16 each."
)
CONTEXT_PROTOCOL = "All photos at their own size. 59 class names compete; the background is void."


class ClassMaps:
    """Photos and class maps of 8 bits, 255 void, by id."""

    def __init__(self, photos: Path, masks: Path, ids: Sequence[str]) -> None:
        self.photos, self.masks, self.ids = photos, masks, ids

    def mask(self, name: str) -> np.ndarray:
        """(H, W) int64 class map."""
        with Image.open(self.masks / f"{name}.png") as image:
            return np.asarray(image).astype(np.int64)

    def benchmark(self, first: int = 0) -> Iterator[Annotated]:
        """All photos. Classes count from `first`, what lies below is void."""
        for name in self.ids:
            mask = self.mask(name)
            jpeg = (self.photos / f"{name}.jpg").read_bytes()
            classes = np.where((mask == 255) | (mask < first), -1, mask - first)
            yield Annotated(id=name, jpeg=jpeg, classes=classes)

    def voc_description(self, name: str) -> Description:
        """VOC's classes, with OpenSeg's rule for the background, and classes worth averaging over."""
        photos: Counter[int] = Counter()
        for image in self.ids:
            photos.update(np.unique(self.mask(image)).tolist())
        often = sorted((-photos[c], c) for c in range(1, 21) if photos[c] >= FREQUENT)[:MOST_FREQUENT]
        return Description(
            name=name,
            names=class_names.VOC,
            kinds=["stuff"] + ["thing"] * 20,
            protocol=VOC_PROTOCOL,
            background={"index": 0, "names": class_names.CONTEXT_BACKGROUND},
            subsets={
                "frequent": [class_names.VOC[c].split(",")[0] for _, c in often],
                "animals_people": ANIMALS_AND_PEOPLE,
            },
        )

    def context_description(self, name: str) -> Description:
        """The 59 classes of PASCAL Context."""
        return Description(
            name=name,
            names=class_names.CONTEXT,
            kinds=[
                "stuff" if entry in class_names.CONTEXT_STUFF else "thing" for entry in class_names.CONTEXT
            ],
            protocol=CONTEXT_PROTOCOL,
        )


def paired(photos: Path, masks: Path) -> list[str]:
    """Sorted ids that have both a photo and a class map."""
    there = {path.stem for path in photos.glob("*.jpg")}
    return sorted(path.stem for path in masks.glob("*.png") if path.stem in there)
