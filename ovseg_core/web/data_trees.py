"""Labelled data and benchmarks beside a URL list: COCO and VOC as their archives unpack, found as they are.

    {folder}/annotations/panoptic_train2017.json, panoptic_train2017/, captions_train2017.json; train2017/
    {folder}/annotations/panoptic_val2017.json, panoptic_val2017/; val2017/
    {folder}/VOCdevkit/VOC2012: JPEGImages, SegmentationClass, ImageSets/Segmentation/val.txt
    {folder}/VOCdevkit/VOC2010: JPEGImages, SegmentationClassContext, ImageSets/SegmentationContext/val.txt

What is not there is left out; a folder with none of it is refused. PASCAL Context's masks are those that
mmsegmentation converts to 59 classes, 0 is the background.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from ovseg_core import files
from ovseg_core.benchmarks import pascal
from ovseg_core.benchmarks.benchmark import Benchmark, BenchmarkError
from ovseg_core.benchmarks.coco import coco_panoptic
from ovseg_core.params import ParamError
from ovseg_core.web.benchmark_writer import copy_benchmark
from ovseg_core.web.coco_sets import Panoptic
from ovseg_core.web.labelled import Labelled, write_labelled

LABELLED = "annotations/panoptic_train2017.json"
CAPTIONS = "annotations/captions_train2017.json"
COCO_VAL = "annotations/panoptic_val2017.json"
VOC = "VOCdevkit/VOC2012"
CONTEXT = "VOCdevkit/VOC2010/SegmentationClassContext"
KNOWN = [LABELLED, COCO_VAL, VOC, CONTEXT]


def write_trees(folder: str, labelled: str, benchmarks: str) -> dict[str, int]:
    """Write what the folder holds; returns how many images each part has.

    Raises:
        ParamError: when the folder holds nothing known, or a file that goes with another is missing.
    """
    root = Path(folder)
    if not any((root / name).exists() for name in KNOWN):
        raise ParamError(f"web.folder is {folder!r}; it has none of {', '.join(KNOWN)}")
    try:
        counts = {"labelled": write_labelled(labelled, _labelled(root))}
        for name, (needed, read) in BENCHMARKS.items():
            if (root / needed).exists():
                found = replace(read(folder), name=name)
                counts[name] = copy_benchmark(files.join(benchmarks, name), found)
    except FileNotFoundError as error:
        raise ParamError(f"web.folder is {folder!r}, and {error.filename} is missing") from error
    except BenchmarkError as error:
        raise ParamError(f"web.folder is {folder!r}: {error}") from error
    return counts


def _labelled(root: Path) -> Iterator[Labelled]:
    if (root / LABELLED).exists():
        captions = root / CAPTIONS if (root / CAPTIONS).exists() else None
        panoptic = Panoptic(root / LABELLED, root / "train2017", captions)
        yield from tqdm(panoptic.labelled(panoptic.all), "web: labelled", len(panoptic.all), unit="photo")


# name of the benchmark: what says that it is there, and the reader that knows it
BENCHMARKS: dict[str, tuple[str, Callable[[str], Benchmark]]] = {
    "coco-panoptic": (COCO_VAL, coco_panoptic),
    "voc-2012": (VOC, pascal.voc21),
    "context-59": (CONTEXT, pascal.context59),
}
