"""The VOC photos of the source `photos`: OpenSeg's background, and classes worth averaging over."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ovseg_core.benchmarks import class_names
from ovseg_core.benchmarks.benchmark import Background, Benchmark, classes_in
from ovseg_core.benchmarks.layout import Classes, of_label_files

FREQUENT, MOST_FREQUENT = 16, 8  # photos that show a frequent class, and how many classes count as frequent
ANIMALS_AND_PEOPLE = ["bird", "cat", "cow", "dog", "horse", "person", "sheep"]
PROTOCOL = (
    "All photos at their own size. 20 class names compete; the background is what is predicted as one of the "
    "39 PASCAL Context classes that VOC lacks (OpenSeg, Sec. 4.1). foreground: background pixels void. "
    "frequent: the 8 classes in most photos, at least 16 each."
)


def voc_photos(photos: Path, masks: Path) -> Benchmark:
    """Every photo that has a class map, 255 void, named plainly: the small text towers know no plurals."""
    paths = {key: (str(photos / f"{key}.jpg"), str(masks / f"{key}.png")) for key in paired(photos, masks)}
    classes = Classes(names=class_names.VOC, background=Background(0, tuple(class_names.CONTEXT_BACKGROUND)))
    found = of_label_files("voc-photos", paths, str(masks), classes, PROTOCOL)
    firsts = [entry.split(",")[0] for entry in class_names.VOC]
    subsets = {"frequent": frequent(found), "animals_people": [firsts.index(n) for n in ANIMALS_AND_PEOPLE]}
    return replace(found, subsets=subsets)


def frequent(benchmark: Benchmark) -> list[int]:
    """The classes in most photos, by their number of photos; of equals the first."""
    photos: Counter[int] = Counter()
    for key in benchmark.ids:
        photos.update(classes_in(benchmark.truth(key)))
    return sorted((c for c in benchmark.foreground if photos[c] >= FREQUENT), key=lambda c: (-photos[c], c))[
        :MOST_FREQUENT
    ]


def paired(photos: Path, masks: Path) -> list[str]:
    """Sorted ids that have both a photo and a class map."""
    there = {path.stem for path in photos.glob("*.jpg")}
    return sorted(path.stem for path in masks.glob("*.png") if path.stem in there)
