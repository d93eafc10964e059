"""Everything that is counted for one reading of a model on one benchmark, and the numbers it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ovseg_core.benchmarks.benchmark import VOID, Benchmark
from ovseg_core.metrics.confusion import blocks
from ovseg_core.metrics.iou import MeanIoU
from ovseg_core.metrics.mask_probe import MaskProbe
from ovseg_core.metrics.per_image import PerImageIoU
from ovseg_core.metrics.probe import RegionTopK
from ovseg_core.metrics.recall import MaskRecall


@dataclass
class Scoreboard:
    """Counts of one reading. Boards of different workers merge to the same numbers as one pass.

    Images of held-out compositions count in `held_out` and nowhere else.
    """

    miou: MeanIoU
    grounding: MeanIoU  # the same, with only the classes of each image's truth queried (OpenSeg, Sec. 4.3)
    foreground: MeanIoU  # the same, background neither queried nor counted
    held_out: MeanIoU  # all names queried
    recall: MaskRecall
    mask_probe: MaskProbe  # of the same masks
    probe: RegionTopK
    per_image: PerImageIoU  # what `miou` counts, image by image
    images: int = 0
    maps: dict[str, np.ndarray] = field(default_factory=dict)  # id -> class map of the gallery's scenes

    @classmethod
    def empty(cls, num_classes: int, max_proposals: int) -> Scoreboard:
        """A board with nothing on it."""
        seen, grounding, foreground, held_out = (MeanIoU(num_classes, VOID) for _ in range(4))
        recall = MaskRecall(cap=max_proposals, ignore_label=VOID)
        masks = MaskProbe(ignore_label=VOID)
        probe, per_image = RegionTopK(num_classes), PerImageIoU(num_classes, VOID)
        return cls(seen, grounding, foreground, held_out, recall, masks, probe, per_image)

    def merge(self, other: Scoreboard) -> None:
        """Add what another worker counted on other images."""
        parts = ("miou", "grounding", "foreground", "held_out", "recall", "mask_probe", "probe", "per_image")
        for name in parts:
            getattr(self, name).merge(getattr(other, name))
        self.images += other.images
        self.maps |= other.maps

    def numbers(self, benchmark: Benchmark) -> dict[str, float]:
        """`miou`, `grounding_miou_thing`, `recall_50`, ... in percent; what has no pixel has no key."""
        found: dict[str, float] = dict(_means("miou", self.miou, benchmark))
        found |= _means("miou_held_out", self.held_out, benchmark)
        found |= _means("grounding_miou", self.grounding, benchmark)
        if benchmark.background:
            found |= _means("foreground_miou", self.foreground, benchmark)
        found["pixel_accuracy"] = self.miou.pixel_accuracy()
        found["macc"] = self.miou.mean_accuracy(range(len(benchmark.names)))
        kinds = benchmark.of_kind("thing"), benchmark.of_kind("stuff")
        found["foreground_bias"] = blocks(self.miou.counts, *kinds)["foreground_bias"]
        found |= self.recall.compute()
        found["mask_probe"] = self.mask_probe.compute()
        for kind in ("thing", "stuff"):
            classes = benchmark.of_kind(kind)
            found[f"probe_{kind}_top1"] = self.probe.compute(classes)
            for k in self.probe.ks:
                found[f"probe_{kind}_macc{k}"] = self.probe.mean_class_accuracy(classes, k)
        if self.probe.regions.any():
            found["probe_foreground_bias"] = blocks(self.probe.confusion(), *kinds)["foreground_bias"]
            found["probe_chance"] = 1 / sum(map(bool, benchmark.queries))
        return {name: round(100 * value, 4) for name, value in found.items() if not np.isnan(value)}

    def per_class(self, benchmark: Benchmark) -> list[tuple[str, str, str, int]]:
        """Per class its name, kind, IoU in percent ("" where it occurs nowhere) and pixels in the truth."""
        iou, pixels = self.miou.iou(), self.miou.counts.sum(1)
        return [
            (
                benchmark.title(index),
                benchmark.kinds[index],
                "" if np.isnan(iou[index]) else f"{100 * iou[index]:.4f}",
                int(pixels[index]),
            )
            for index in range(len(iou))
        ]


def _means(name: str, counted: MeanIoU, benchmark: Benchmark) -> Iterator[tuple[str, float]]:
    yield name, counted.mean(range(len(benchmark.names)))
    for kind in ("thing", "stuff"):
        yield f"{name}_{kind}", counted.mean(benchmark.of_kind(kind))
    for subset, classes in benchmark.subsets.items():
        yield f"{name}_{subset}", counted.mean(classes)
