"""PASCAL VOC 2012 and PASCAL Context, in the layout of VOCdevkit.

VOCdevkit/VOC2012: JPEGImages, SegmentationClass, ImageSets/Segmentation/val.txt
VOCdevkit/VOC2010: JPEGImages, ImageSets/SegmentationContext/val.txt, and
    SegmentationClassContext: mmsegmentation's PNGs of 59 classes, 0 is the background
    trainval: labels.txt and the .mat files of all 459 classes
"""

import re

from ovseg_core import files
from ovseg_core.benchmarks import class_names
from ovseg_core.benchmarks.benchmark import Background, Benchmark, BenchmarkError
from ovseg_core.benchmarks.label_files import matlab, table
from ovseg_core.benchmarks.layout import Classes, find, lines, of_label_files, things_by_name

VOC_PLACES = ["VOCdevkit/VOC2012", "VOC2012", ""]
CONTEXT_PLACES = ["VOCdevkit/VOC2010", "VOC2010", ""]
CONTEXT_IDS = "ImageSets/SegmentationContext/val.txt"


def voc20(root: str) -> Benchmark:
    """The 20 objects; the background is void."""
    names = class_names.prompted(class_names.VOC[1:])
    protocol = "20 class names compete for every pixel; background pixels do not count."
    return _voc(root, "voc20", Classes(names=names), protocol, list(range(1, 21)), void=[0, 255])


def voc21(root: str) -> Benchmark:
    """The 20 objects and the background, by default with OpenSeg's rule."""
    names = ["background", *class_names.prompted(class_names.VOC[1:])]
    objects = {word.strip() for entry in names for word in entry.split(",")}
    further = tuple(name for name in class_names.CONTEXT_BACKGROUND if name not in objects)
    protocol = (
        "20 class names and the background. Its own rule: background is what is predicted as one of the "
        "PASCAL Context classes that VOC lacks (OpenSeg, Sec. 4.1)."
    )
    classes = Classes(names=names, background=Background(0, further))
    return _voc(root, "voc21", classes, protocol, list(range(21)), void=[255])


def _voc(root: str, name: str, classes: Classes, protocol: str, raw: list[int], void: list[int]) -> Benchmark:
    split = "ImageSets/Segmentation/val.txt"
    home = find(root, VOC_PLACES, split)
    where = files.join(home, split)
    paths = {
        key: (
            files.join(home, "JPEGImages", f"{key}.jpg"),
            files.join(home, "SegmentationClass", f"{key}.png"),
        )
        for key in lines(where)
    }
    return of_label_files(name, paths, where, classes, protocol, table(raw, void))


def context59(root: str) -> Benchmark:
    """The 59 frequent classes; the background is void."""
    names = class_names.prompted(class_names.CONTEXT)
    protocol = "59 class names compete for every pixel; the background does not count."
    return _context(
        root, "context59", Classes(names=names, things=_things(names)), protocol, 1, void=[0, 255]
    )


def context60(root: str) -> Benchmark:
    """The 59 classes and the background, by default by its own name."""
    names = class_names.prompted(class_names.CONTEXT)
    things = [index + 1 for index in _things(names)]
    classes = Classes(names=["background", *names], things=things, background=Background(0, ("background",)))
    protocol = (
        "59 class names and the background. Its own rule: the word `background` competes; OVSegmentor has "
        "threshold=0.5."
    )
    return _context(root, "context60", classes, protocol, 0, void=[255])


def _things(names: list[str]) -> list[int]:
    return [i for i, entry in enumerate(names) if entry.split(",")[0] not in class_names.CONTEXT_STUFF]


def _context(root: str, name: str, classes: Classes, protocol: str, first: int, void: list[int]) -> Benchmark:
    home = find(root, CONTEXT_PLACES, "SegmentationClassContext")
    where = files.join(home, CONTEXT_IDS)
    paths = {
        key: (
            files.join(home, "JPEGImages", f"{key}.jpg"),
            files.join(home, "SegmentationClassContext", f"{key}.png"),
        )
        for key in lines(where)
    }
    return of_label_files(name, paths, where, classes, protocol, table(range(first, 60), void))


def context459(root: str) -> Benchmark:
    """All 459 classes, from the .mat files and names that PASCAL Context is published with."""
    home = find(root, CONTEXT_PLACES, "trainval")
    labels = next(
        (
            p
            for p in (files.join(home, "trainval/labels.txt"), files.join(home, "labels.txt"))
            if files.exists(p)
        ),
        files.join(home, "trainval/labels.txt"),
    )
    raw, names = _numbered(labels)
    nested = files.join(home, "trainval/trainval")
    maps = nested if files.exists(nested) else files.join(home, "trainval")
    own = files.join(home, "trainval/pascalcontext_val.txt")
    where = own if files.exists(own) else files.join(home, CONTEXT_IDS)
    paths = {
        key: (files.join(home, "JPEGImages", f"{key}.jpg"), files.join(maps, f"{key}.mat"))
        for key in lines(where)
    }
    classes = Classes(names=names, things=things_by_name(names))
    protocol = (
        f"The {len(names)} names of {labels.rpartition('/')[2]} compete for every pixel; label 0 is void."
    )
    return of_label_files("context459", paths, where, classes, protocol, table(raw, void=[0]), matlab)


def _numbered(path: str) -> tuple[list[int], list[str]]:
    found = [re.fullmatch(r"(\d+)\s*:\s*(.+)", line) for line in lines(path)]
    pairs = [(int(match[1]), match[2]) for match in found if match]
    if len(pairs) != len(found) or not pairs:
        raise BenchmarkError(
            f"{path} has to hold lines like `12: accordion`, as PASCAL Context's labels.txt does"
        )
    return [number for number, _ in pairs], [name for _, name in pairs]
