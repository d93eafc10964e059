"""Metrics beside the reference implementations, in one run: AP, LVIS AP, mean IoU; seconds and ratios.

Usage: `python -m benchmarks.metrics [--images 2000] [--lvis-images 300] [--rounds 3]`. Truth and detections
are made up, COCO's with 80 classes and LVIS's with 1,203. AP is timed from parsed JSON to numbers, the
loading into each library with it; "checked" is what `ovseg score` does, the check of every entry included.
Mean IoU is timed per image of 512 x 512 pixels, on noise (all classes in every image, the worst case) and on
blocks. Seconds are CPU time of all threads (hotcoco takes every core, which is not counted in its favour).
Ours is the best of the rounds, and so is the reference, which has one round of AP.
"""

import argparse
import copy
import io
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lvis import LVIS, LVISEval, LVISResults
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.segmentation import MeanIoU as TorchMeanIoU

from ovseg_core import files
from ovseg_core.evaluation.coco_files import check_rows, check_truth
from ovseg_core.masks import rle
from ovseg_core.metrics.ap import average_precision
from ovseg_core.metrics.iou import MeanIoU
from ovseg_core.metrics.per_image import PerImageIoU

HEIGHT, WIDTH = 120, 160
SIDE, VOID = 512, 65535
Content = tuple[dict[str, Any], list[dict[str, Any]]]


def best(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """CPU seconds of the fastest of some rounds, and what the last one returned."""
    seconds, found = [], None
    for _ in range(rounds):
        started = time.process_time()
        found = run()
        seconds.append(time.process_time() - started)
    return min(seconds), found


def made(images: int, classes: int, iou_type: str, seed: int = 0) -> Content:
    """About 8 objects and 16 detections an image, of which half are near an object; LVIS's fields too."""
    rng = np.random.default_rng(seed)
    truth: dict[str, Any] = {"info": {}, "images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": n + 1, "name": f"c{n}", "frequency": "rcf"[n % 3]} for n in range(classes)]
    rows: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        number = int(rng.integers(4, 13))
        low = rng.integers(0, [WIDTH - 40, HEIGHT - 40], (number, 2))
        boxes = np.hstack([low, rng.integers(4, 40, (number, 2))])
        names = rng.integers(1, classes + 1, number)
        guesses = np.vstack([boxes, rng.permutation(boxes)]) + rng.integers(-2, 3, (2 * number, 4))
        guesses = np.maximum(guesses, [0, 0, 1, 1])
        called = np.concatenate([names, rng.integers(1, classes + 1, number)])
        for box, name in zip(boxes.tolist(), names.tolist(), strict=True):
            entry = {
                "id": len(truth["annotations"]) + 1,
                "image_id": image,
                "category_id": name,
                "iscrowd": 0,
            }
            truth["annotations"].append(entry | _shape(box) | {"area": float(box[2] * box[3]), "bbox": box})
        for box, name, score in zip(
            guesses.tolist(), called.tolist(), rng.random(2 * number).tolist(), strict=True
        ):
            shape = _shape(box) if iou_type == "segm" else {"bbox": [float(side) for side in box]}
            rows.append({"image_id": image, "category_id": name, "score": score, **shape})
        absent = sorted(set(rng.integers(1, classes + 1, 5).tolist()) - set(names.tolist()))
        size = {"id": image, "height": HEIGHT, "width": WIDTH}
        truth["images"].append(
            size | {"neg_category_ids": absent, "not_exhaustive_category_ids": names[:1].tolist()}
        )
    return truth, rows


def _shape(box: list[int]) -> dict[str, Any]:
    x, y, width, height = box
    mask = np.zeros((1, HEIGHT, WIDTH), bool)
    mask[0, y : y + height, x : x + width] = True
    mask[0, y : y + height : 3, x] = False  # a ragged edge: more runs than a box has
    return {"segmentation": dict(rle.encode(mask)[0])}


def pycocotools(content: Content, iou_type: str) -> float:
    """AP by the reference."""
    truth, rows = content
    known = COCO()
    known.dataset = truth
    known.createIndex()
    scorer = COCOeval(known, known.loadRes(rows), iou_type)
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    return float(scorer.stats[0])


def lvis_api(content: Content, iou_type: str, folder: Path) -> float:
    """LVIS AP by the reference, which reads the truth from a file."""
    known = LVIS(str(folder / "truth.json"))
    scorer = LVISEval(known, LVISResults(known, content[1]), iou_type)
    scorer.run()
    return float(scorer.get_results()["AP"])


def detections(
    name: str, content: Content, iou_type: str, protocol: str, rounds: int, reference: Callable
) -> None:
    """Print seconds of the reference, of ours, of ours with the checks, and how far the numbers are apart."""
    truth, rows = content
    given = copy.deepcopy(content)  # the references write into what they are given
    with redirect_stdout(io.StringIO()):
        theirs, expected = best(lambda: reference(given), 1)
    ours, found = best(lambda: average_precision(truth, rows, iou_type, protocol), rounds)

    def checked() -> None:
        check_truth(truth, Path("truth"), iou_type, protocol != "coco")
        check_rows(rows, truth, Path("predictions"), iou_type)
        average_precision(truth, rows, iou_type, protocol)

    safe, _ = best(checked, rounds)
    print(
        f"{name:12}{len(truth['images']):>7,} images {len(rows):>8,} detections  reference {theirs:8.2f} s  "
        f"ours {ours:6.3f} s, {theirs / ours:5.0f}x; checked {safe:6.3f} s, {theirs / safe:5.0f}x; "
        f"AP {100 * found['ap']:.4f}, apart by {abs(found['ap'] - expected):.1e}"
    )


def class_maps(classes: int, noise: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and its truth, (512, 512) uint16, with a few rows of void."""
    cells = SIDE if noise else 16
    prediction, truth = (
        np.kron(rng.integers(0, classes, (cells, cells)), np.ones((SIDE // cells,) * 2, int)).astype(
            np.uint16
        )
        for _ in range(2)
    )
    truth[:8] = VOID
    return prediction, truth


def mean_iou(classes: int, noise: bool, rounds: int) -> None:
    """Print milliseconds an image of our counting, with the counts per image too, and of torchmetrics."""
    prediction, truth = class_maps(classes, noise, np.random.default_rng(0))
    ours, single = MeanIoU(classes, VOID), PerImageIoU(classes, VOID)

    def both() -> None:
        ours.update(prediction, truth)
        single.rows.clear()
        single.update("image", prediction, truth)

    guess, known = (torch.from_numpy(part.astype(np.int64))[None] for part in (prediction, truth))
    jaccard = MulticlassJaccardIndex(classes, ignore_index=VOID)  # it checks the labels, as ours does
    segmentation = TorchMeanIoU(classes, input_format="index")  # it knows no void
    valid = torch.where(known == VOID, 0, known)
    mine = 1e3 * best(lambda: ours.update(prediction, truth), 10 * rounds)[0]
    all_of_it = 1e3 * best(both, 10 * rounds)[0]
    theirs = 1e3 * best(lambda: jaccard.update(guess, known), 5 * rounds)[0]
    pairs = 1e3 * best(lambda: segmentation.update(guess, valid), 1)[0]
    print(
        f"mIoU {classes:>4} classes, {'noise' if noise else 'blocks':7} ours {mine:5.2f} ms an image, with "
        f"counts per image {all_of_it:5.2f} ms; torchmetrics MulticlassJaccardIndex {theirs:6.2f} ms, "
        f"{theirs / mine:4.1f}x; "
        f"its segmentation.MeanIoU {pairs:7.1f} ms, {pairs / mine:6.0f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="of the AP of COCO")
    parser.add_argument("--lvis-images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    np.float = float  # type: ignore[attr-defined]  # lvis-api 0.5.3 asks for what NumPy no longer has
    for iou_type in ("bbox", "segm"):
        content = made(args.images, 80, iou_type)
        detections(
            f"AP {iou_type}", content, iou_type, "coco", args.rounds, lambda c, t=iou_type: pycocotools(c, t)
        )
        content = made(args.lvis_images, 1203, iou_type)
        with TemporaryDirectory() as folder:
            files.write_json(Path(folder) / "truth.json", content[0])
            reference = lambda c, t=iou_type, f=folder: lvis_api(c, t, Path(f))  # noqa: E731
            detections(f"LVIS {iou_type}", content, iou_type, "lvis", args.rounds, reference)
    for classes in (21, 150, 847):
        for noise in (True, False):
            mean_iou(classes, noise, args.rounds)


if __name__ == "__main__":
    main()
