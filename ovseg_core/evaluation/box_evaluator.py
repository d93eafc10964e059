"""Boxes: which class a method gives the truth's boxes, and the average precision of those that it finds.

Shape letters: B images, N boxes of an image, C classes, H, W size in pixels.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from ovseg_core.benchmarks.boxes import BoxBenchmark
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method
from ovseg_core.metrics.ap import PROTOCOLS, average_precision
from ovseg_core.metrics.probe import RegionTopK

Detections = list[dict[str, Any]]  # COCO results


class Detector(Protocol):
    """What a method offers that finds boxes by itself."""

    def detections(self, images: Tensor, text_embeddings: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Per image boxes (N, 4) xyxy in pixels of the input, scores (N,), and texts (N,) by index."""


def evaluate(
    method: Method,
    benchmark: BoxBenchmark,
    settings: EvalSettings,
    done: Callable[[int], Any] = lambda images: None,
) -> dict[str, float]:
    """`box_top1`, `box_top5` (mean over classes, DenseVLM), for detectors `ap...`; in percent.

    Each also for the benchmark's subsets, as `box_top1_novel` or `ap50_novel`.
    """
    with torch.inference_mode():
        queries = inference.embed_classes(method, benchmark.queries, settings.prompts)
        top = RegionTopK(len(benchmark.names))
        found: Detections = []
        for key in benchmark.ids:
            _probe(method, benchmark, settings, queries, key, top)
            if hasattr(method, "detections") and benchmark.iou_type == "bbox":
                found += _detect(cast(Detector, method), benchmark, settings, queries, key)
            done(1)

    def accuracy(classes: Sequence[int]) -> dict[str, float]:
        return {str(k): top.mean_class_accuracy(classes, k) for k in (1, 5)}

    numbers = _named("box_top", accuracy, benchmark)
    if hasattr(method, "detections") and benchmark.iou_type == "bbox":
        numbers |= score(benchmark, found)
    return {name: round(100 * value, 4) for name, value in numbers.items() if not np.isnan(value)}


def score(benchmark: BoxBenchmark, found: Detections) -> dict[str, float]:
    """Average precision of COCO results, all classes and each subset, in [0, 1]."""

    if benchmark.ap != "coco":  # what an image may show is shared by its classes: one pass tells all
        numbers = average_precision(benchmark.truth, found, benchmark.iou_type, benchmark.ap)
        named = {"ap_rare": "apr", "ap_common": "apc", "ap_frequent": "apf"}
        return {name: numbers[named.get(name, name)] for name in ("ap", "ap50", "ap75", *named)}

    def precision(classes: Sequence[int]) -> dict[str, float]:
        chosen = {benchmark.categories[index] for index in classes}
        truth = {
            **benchmark.truth,
            "annotations": [a for a in benchmark.truth["annotations"] if a["category_id"] in chosen],
            "categories": [c for c in benchmark.truth["categories"] if c["id"] in chosen],
        }
        own = [dict(row) for row in found if row["category_id"] in chosen]
        numbers = average_precision(truth, own, benchmark.iou_type, benchmark.ap)
        return {name: numbers[f"ap{name}"] for name in ("", "50", "75")}

    return _named("ap", precision, benchmark)


def protocol(benchmark: BoxBenchmark, settings: EvalSettings) -> dict[str, Any]:
    """Everything that a number depends on besides the model."""
    return {
        "benchmark": benchmark.name,
        "description": benchmark.protocol,
        "images": len(benchmark.ids),
        "classes": len(benchmark.names),
        "ap": PROTOCOLS[benchmark.ap],
        "box_top": "mean over classes of the share of the truth's boxes whose class is among the k best; "
        "scores averaged over the box (DenseVLM)",
        "unit": "percent",
        "prompts": settings.prompts,
        "input": f"short side {settings.short_side} pixels" if settings.short_side else "as stored",
    }


def _named(
    prefix: str, measure: Callable[[Sequence[int]], dict[str, float]], benchmark: BoxBenchmark
) -> dict[str, float]:
    named = {f"{prefix}{name}": value for name, value in measure(range(len(benchmark.names))).items()}
    for subset, classes in benchmark.subsets.items():
        if classes:
            named |= {f"{prefix}{name}_{subset}": value for name, value in measure(classes).items()}
    return named


def _probe(
    method: Method,
    benchmark: BoxBenchmark,
    settings: EvalSettings,
    queries: inference.Queries,
    key: str,
    top: RegionTopK,
) -> None:
    boxes, labels = benchmark.boxes(key)
    if not len(boxes):
        return
    image = benchmark.image(key)
    images = inference.to_input([image], settings.short_side, queries.embeddings.device)
    regions = filled(boxes, image.shape[:2], images.shape[2:]).to(images.device)[None]
    scores = inference.class_scores(method, images, queries, regions, settings.centring)
    top.update(inference.region_scores(scores, regions, range(len(benchmark.names)))[0], labels)


def filled(boxes: np.ndarray, size: Sequence[int], onto: Sequence[int]) -> Tensor:
    """(N, 4) xyxy boxes of an image of `size` -> (N, H, W) bool at the size `onto`, each at least a pixel."""
    masks = torch.zeros(len(boxes), *onto, dtype=torch.bool)
    scale = np.array([onto[1] / size[1], onto[0] / size[0]] * 2)
    low = np.floor(boxes * scale)[:, :2].clip(0, np.array([onto[1] - 1, onto[0] - 1])).astype(int)
    high = np.maximum(np.ceil(boxes * scale)[:, 2:].astype(int), low + 1)
    for mask, (x0, y0), (x1, y1) in zip(masks, low, high, strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def _detect(
    method: Detector, benchmark: BoxBenchmark, settings: EvalSettings, queries: inference.Queries, key: str
) -> Detections:
    image = benchmark.image(key)
    images = inference.to_input([image], settings.short_side, queries.embeddings.device)
    boxes, scores, texts = method.detections(images, queries.embeddings)[0]
    scale = torch.tensor([image.shape[1] / images.shape[3], image.shape[0] / images.shape[2]] * 2)
    corners = (boxes.cpu() * scale).double().numpy()
    corners[:, 2:] -= corners[:, :2]
    owner = np.repeat(np.arange(len(queries.num_texts)), queries.num_texts)  # class of each text
    labels = owner[texts.cpu().numpy()]
    return [
        {
            "image_id": int(key),
            "category_id": benchmark.categories[label],
            "bbox": box.tolist(),
            "score": float(value),
        }
        for box, value, label in zip(corners, scores.cpu().double(), labels, strict=True)
    ]
