"""Anybody's predictions beside their truth: one function per task, from files to numbers.

Each takes the two paths (and its options) and returns `protocol` (how it was scored, in words), `counts`
(what was in the files), the numbers as shares in [0, 1], NaN where there is nothing to score, `per_class`.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ovseg_core.evaluation.coco_files import read_detections
from ovseg_core.evaluation.label_maps import VOID, Vocabulary, pair, read_pairs, read_vocabulary
from ovseg_core.evaluation.panoptic_files import png_folder, read_panoptic
from ovseg_core.evaluation.region_scores import regions
from ovseg_core.evaluation.score_error import ScoreError, titles
from ovseg_core.metrics import bootstrap
from ovseg_core.metrics.ap import PROTOCOLS, average_precision
from ovseg_core.metrics.confusion import blocks
from ovseg_core.metrics.iou import CONVENTIONS, MeanIoU
from ovseg_core.metrics.per_image import PerImageIoU
from ovseg_core.metrics.pq import panoptic_quality

Scores = dict[str, Any]
MOST_CLASSES = 65535  # of unnamed maps


def semantic(predictions: Path, truth: Path, names: Path | None = None, convention: str = "mmseg") -> Scores:
    """Mean IoU of two folders of class maps: `miou`, `macc`, `aacc`, `miou_low` and `miou_high` (a bootstrap
    over images), with kinds of classes known also `miou_thing`, `miou_stuff`, `foreground_bias`, ...

    Raises:
        ScoreError: naming the file that cannot be scored.
    """
    vocabulary = read_vocabulary(names) if names else None
    limit = len(vocabulary.names) if vocabulary else None
    counted = PerImageIoU(limit or MOST_CLASSES, VOID)
    confusion = MeanIoU(len(vocabulary.names), VOID) if vocabulary and vocabulary.kinds else None
    for key, guess, known in tqdm(
        read_pairs(predictions, truth, limit), "score", len(pair(predictions, truth))
    ):
        counted.update(key, guess, known)
        if confusion:
            confusion.update(guess, known)
    rows = counted.stacked()
    if not len(rows):
        raise ScoreError(f"{truth}: every pixel is void; there is nothing to score")
    counted.num_classes = limit or int(rows[:, 1].max()) + 1
    found: Scores = {"protocol": CONVENTIONS[convention], "convention": convention}
    found["counts"] = {
        "images": len(counted.rows),
        "classes": counted.num_classes,
        "pixels": int(rows[:, 4].sum()),
    }
    found |= counted.compute(convention)
    spread = bootstrap.interval(bootstrap.draw([counted], convention=convention))
    found |= {"miou_low": spread.low, "miou_high": spread.high}
    if vocabulary and confusion:
        found |= _kinds(counted, confusion, vocabulary, convention)
    given = vocabulary.names if vocabulary else list(map(str, range(counted.num_classes)))
    each = counted.per_class(convention).items()
    return found | {"per_class": {given[index]: value for index, value in each}}


def _kinds(counted: PerImageIoU, confusion: MeanIoU, vocabulary: Vocabulary, convention: str) -> Scores:
    things, stuff = vocabulary.of_kind("thing"), vocabulary.of_kind("stuff")
    means = {
        f"miou_{kind}": counted.compute(convention, classes)["miou"]
        for kind, classes in (("thing", things), ("stuff", stuff))
    }
    return means | blocks(confusion.counts, things, stuff)


def _detections(iou_type: str | None, protocol: str) -> Callable[[Path, Path], Scores]:
    def scored(predictions: Path, truth: Path) -> Scores:
        """AP of COCO results: `ap`, `ap50`, ..., recalls, and with LVIS `apr`, `apc`, `apf`."""
        given = read_detections(predictions, truth, iou_type, lvis=protocol != "coco")
        found = average_precision(given.truth, given.rows, given.iou_type, protocol)
        named = titles(given.truth)
        each = {named[key]: value for key, value in found.pop("per_class").items() if not math.isnan(value)}
        head = {"protocol": PROTOCOLS[protocol], "iou_type": given.iou_type, "counts": given.counts}
        return head | found | {"per_class": each}

    return scored


def panoptic(predictions: Path, truth: Path) -> Scores:
    """Panoptic quality of COCO panoptic JSON with its PNGs: `pq`, `sq`, `rq`, also `_thing` and `_stuff`."""
    known, given = read_panoptic(predictions, truth)
    try:
        found = panoptic_quality(known, given, png_folder(truth), png_folder(predictions))
    except ValueError as error:  # of the pixels: segments that only the PNG or only the JSON has
        raise ScoreError(f"{predictions}: {error}") from error
    named = titles(known)
    each = {named[key]: value for key, value in found.pop("per_class").items()}
    text = "COCO panoptic: segments match above an IoU of 0.5; void and crowds as in panopticapi"
    counts = {
        "images": len(known["annotations"]),
        "segments": sum(len(e["segments_info"]) for e in given["annotations"]),
    }
    return {"protocol": text, "counts": counts} | found | {"per_class": each}


TASKS: Mapping[str, Callable[..., Scores]] = {
    "semantic": semantic,
    "bbox": _detections("bbox", "coco"),
    "segm": _detections("segm", "coco"),
    "lvis": _detections(None, "lvis"),
    "lvis-fixed": _detections(None, "lvis-fixed"),
    "panoptic": panoptic,
    "regions": regions,
}


def score(task: str, predictions: Path, truth: Path, **options: Any) -> Scores:
    """The numbers of one task, with what is not a number as None, so that they are JSON.

    Raises:
        ScoreError: naming what is wrong with the files, or the option that the task does not take.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if task != "semantic" and given:
        raise ScoreError(
            f"--{sorted(given)[0]} is for --task semantic; {task} takes what it needs from the truth"
        )
    found = TASKS[task](predictions, truth, **given)
    return {"task": task} | {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
