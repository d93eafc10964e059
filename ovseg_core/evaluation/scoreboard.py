"""Everything that is counted for one reading of a model on one benchmark, and the numbers it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ovseg_core.benchmarks.benchmark import VOID, Benchmark
from ovseg_core.metrics.confusion import blocks
from ovseg_core.metrics.iou import MeanIoU, nan_mean
from ovseg_core.metrics.mask_probe import MaskProbe
from ovseg_core.metrics.per_image import PerImageIoU
from ovseg_core.metrics.probe import RegionTopK
from ovseg_core.metrics.recall import MaskRecall

# Means over classes, by their names in metrics.json: all names queried, without held-out scenes and in them
# alone; only the classes of each image's truth queried (OpenSeg, Sec. 4.3); the background neither queried
# nor counted.
MEANS = ("miou", "miou_held_out", "grounding_miou", "foreground_miou")


@dataclass
class Scoreboard:
    """Counts of one reading. Boards of different workers merge to the same numbers as one pass.

    Images of held-out compositions count in `held_out` and nowhere else.
    """

    miou: MeanIoU  # which class is taken for which
    recall: MaskRecall
    mask_probe: MaskProbe  # of the same masks
    probe: RegionTopK
    per_image: dict[str, PerImageIoU]  # of MEANS and the recalls, what a bootstrap over images draws from
    images: int = 0
    maps: dict[str, np.ndarray] = field(default_factory=dict)  # id -> class map of the gallery's scenes

    @classmethod
    def empty(cls, num_classes: int, max_proposals: int) -> Scoreboard:
        """A board with nothing on it."""
        recall = MaskRecall(cap=max_proposals, ignore_label=VOID)
        per_image = {name: PerImageIoU(num_classes, VOID) for name in MEANS}
        per_image |= {name: PerImageIoU(1) for name in recall.names}
        masks, probe = MaskProbe(ignore_label=VOID), RegionTopK(num_classes)
        return cls(MeanIoU(num_classes, VOID), recall, masks, probe, per_image)

    def add_segments(self, key: str, best: np.ndarray) -> None:
        """Add the segments of an image by their (S,) best IoU with a proposal."""
        for name, covered in self.recall.add(best).items():
            self.per_image[name].add_share(key, covered, len(best))
        self.mask_probe.add(best)

    def merge(self, other: Scoreboard) -> None:
        """Add what another worker counted on other images."""
        for name in ("miou", "recall", "mask_probe", "probe"):
            getattr(self, name).merge(getattr(other, name))
        for name, counted in self.per_image.items():
            counted.merge(other.per_image[name])
        self.images += other.images
        self.maps |= other.maps

    def numbers(self, benchmark: Benchmark) -> dict[str, float]:
        """`miou`, `grounding_miou_thing`, `recall_50`, ... in percent; what has no pixel has no key."""
        found: dict[str, float] = {}
        for name in MEANS:
            found |= _means(name, self.per_image[name].iou(), benchmark)
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


def _means(name: str, iou: np.ndarray, benchmark: Benchmark) -> Iterator[tuple[str, float]]:
    yield name, nan_mean(iou)
    for kind in ("thing", "stuff"):
        yield f"{name}_{kind}", nan_mean(iou[benchmark.of_kind(kind)])
    for subset, classes in benchmark.subsets.items():
        yield f"{name}_{subset}", nan_mean(iou[classes])
