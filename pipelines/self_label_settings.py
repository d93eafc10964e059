"""Section `self_label` of params.yaml. No torch here: checking parameters stays cheap."""

from dataclasses import dataclass
from typing import Literal

from ovseg_core.params import check


@dataclass(frozen=True, kw_only=True)
class SelfLabelSettings:
    """Section `self_label`."""

    benchmark: str  # a folder of data/benchmarks: its classes are asked for, its images are not looked at
    images: str  # a folder of shards, or of images: see `benchmarks/training_images.py`
    below: Literal["void", "background"]  # what a pixel less sure than `data.min_confidence` is
    shard_size: int  # images of a folder in a shard
    actors: int
    num_cpus: float  # and torch threads, per actor
    num_gpus: float  # per actor
    precision: Literal["auto", "float32", "bf16"]  # auto: bf16 where the device computes it fast
    max_bad: float  # share of undecodable images above which the stage fails

    def __post_init__(self) -> None:
        for name in ("shard_size", "actors"):
            check(getattr(self, name) >= 1, f"self_label.{name}", getattr(self, name), "at least 1")
        check(self.shard_size <= 10_000, "self_label.shard_size", self.shard_size, "at most 10000")
        check(self.num_cpus > 0, "self_label.num_cpus", self.num_cpus, "above 0")
        check(self.num_gpus >= 0, "self_label.num_gpus", self.num_gpus, "at least 0")
        check(0 <= self.max_bad <= 1, "self_label.max_bad", self.max_bad, "from 0 to 1")
