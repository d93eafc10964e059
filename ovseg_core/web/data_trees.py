"""Labelled data and benchmarks beside a URL list: COCO and VOC as their archives unpack, found as they are.

    {folder}/annotations/panoptic_train2017.json, panoptic_train2017/, captions_train2017.json; train2017/
    {folder}/annotations/panoptic_val2017.json, panoptic_val2017/; val2017/
    {folder}/VOCdevkit/VOC2012: JPEGImages, SegmentationClass, ImageSets/Segmentation/val.txt
    {folder}/VOCdevkit/VOC2010: JPEGImages, SegmentationClassContext, ImageSets/SegmentationContext/val.txt

What is not there is left out; a folder with none of it is refused. PASCAL Context's masks are those that
mmsegmentation converts to 59 classes, 0 is the background.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from ovseg_core import files
from ovseg_core.params import ParamError
from ovseg_core.web.benchmark_writer import write_benchmark
from ovseg_core.web.class_map_sets import ClassMaps
from ovseg_core.web.coco_sets import Panoptic
from ovseg_core.web.labelled import Labelled, write_labelled

LABELLED = "annotations/panoptic_train2017.json"
CAPTIONS = "annotations/captions_train2017.json"
COCO_VAL = "annotations/panoptic_val2017.json"
VOC = "VOCdevkit/VOC2012"
CONTEXT = "VOCdevkit/VOC2010/SegmentationClassContext"
KNOWN = [LABELLED, COCO_VAL, VOC, CONTEXT]
COCO_PROTOCOL = (
    "COCO panoptic val2017 at its own size; its classes compete for every pixel, unannotated pixels are void."
)


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
        for name, (needed, write) in BENCHMARKS.items():
            if (root / needed).exists():
                counts[name] = write(root, name, files.join(benchmarks, name))
    except FileNotFoundError as error:
        raise ParamError(f"web.folder is {folder!r}, and {error.filename} is missing") from error
    return counts


def _labelled(root: Path) -> Iterator[Labelled]:
    if (root / LABELLED).exists():
        captions = root / CAPTIONS if (root / CAPTIONS).exists() else None
        panoptic = Panoptic(root / LABELLED, root / "train2017", captions)
        yield from tqdm(panoptic.labelled(panoptic.all), "web: labelled", len(panoptic.all), unit="photo")


def _coco(root: Path, name: str, out: str) -> int:
    panoptic = Panoptic(root / COCO_VAL, root / "val2017")
    images = tqdm(panoptic.benchmark(panoptic.all), f"web: {name}", len(panoptic.all), unit="photo")
    return write_benchmark(out, panoptic.description(name, panoptic.all, COCO_PROTOCOL), images)


def _voc(root: Path, name: str, out: str) -> int:
    ids = (root / VOC / "ImageSets/Segmentation/val.txt").read_text().split()
    voc = ClassMaps(root / VOC / "JPEGImages", root / VOC / "SegmentationClass", ids)
    images = tqdm(voc.benchmark(), f"web: {name}", len(ids), unit="photo")
    return write_benchmark(out, voc.voc_description(name), images)


def _context(root: Path, name: str, out: str) -> int:
    folder = (root / CONTEXT).parent
    ids = (folder / "ImageSets/SegmentationContext/val.txt").read_text().split()
    context = ClassMaps(folder / "JPEGImages", root / CONTEXT, ids)
    images = tqdm(context.benchmark(first=1), f"web: {name}", len(ids), unit="photo")
    return write_benchmark(out, context.context_description(name), images)


# name of the benchmark: what has to be there, and how it is written
BENCHMARKS: dict[str, tuple[str, Callable[[Path, str, str], int]]] = {
    "coco-panoptic": (COCO_VAL, _coco),
    "voc-2012": (VOC, _voc),
    "context-59": (CONTEXT, _context),
}
