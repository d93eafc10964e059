"""What a labelling teacher's masks could reach at best: on every benchmark, with the truth to name them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import VOID, Benchmark
from ovseg_core.evaluation.evaluator import restrict
from ovseg_core.masks.nms import select
from ovseg_core.metrics.iou import MeanIoU
from ovseg_core.metrics.mask_probe import MaskProbe, oracle_map
from ovseg_core.metrics.recall import MaskRecall, best_iou, segments_of
from ovseg_core.teachers.registry import Teacher
from ovseg_core.training.settings import DataSettings


def score(teacher: Teacher, benchmark: Benchmark, data: DataSettings, batch_size: int) -> dict[str, float]:
    """In percent `oracle_miou` (S-Seg: masks classified by truth), `mask_probe`, recalls; `masks` per image.

    The masks are those that a training reads (`data.min_score`, `nms_iou`, `max_masks`); what none of them
    covers counts as one more. Held-out scenes stay out, as in mIoU.
    """
    keys = [key for key in benchmark.ids if key not in benchmark.held_out]
    oracle = MeanIoU(len(benchmark.names), VOID)
    probe, recall, count = MaskProbe(VOID), MaskRecall(ignore_label=VOID), 0
    ignored = [benchmark.background.index] if benchmark.background else []
    for first in tqdm(range(0, len(keys), batch_size), desc=benchmark.name, unit="batch"):
        some = keys[first : first + batch_size]
        images = [benchmark.image(key) for key in some]
        for key, image, found in zip(some, images, teacher(images), strict=True):
            truth = restrict(benchmark.truth(key, image.shape[:2]), benchmark.counted)
            masks = select(found, data.min_score, data.nms_iou, data.max_masks).reshape(-1, *truth.shape)
            oracle.update(oracle_map(with_rest(masks), truth, 0, VOID), truth)
            best = best_iou(masks, truth, segments_of(truth, VOID, ignored), VOID)
            probe.add(best)
            recall.add(best)
            count += len(masks)
    shares = {"oracle_miou": oracle.compute()["miou"], "mask_probe": probe.compute(), **recall.compute()}
    numbers = {name: round(100 * cast(float, value), 4) for name, value in shares.items()}
    return numbers | {"masks": count / max(len(keys), 1)}


def with_rest(masks: np.ndarray) -> np.ndarray:
    """(M, H, W) masks and, last, the pixels of none of them."""
    return np.concatenate([masks, ~masks.any(0, keepdims=True)])


def write(out: Path | str, found: Mapping[str, Mapping[str, float]], teacher: Mapping[str, Any]) -> None:
    """`{teacher: its section, benchmarks: {name: numbers}}`."""
    files.write_json(out, {"teacher": dict(teacher), "benchmarks": {k: dict(v) for k, v in found.items()}})
