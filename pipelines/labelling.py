"""Pseudo masks for caption-only images: Ray actors hold a frozen teacher, a shard is a task."""

from dataclasses import dataclass

from ovseg_core.params import check


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Section `pseudo_label`."""

    actors: int
    num_cpus: float  # and torch threads, per actor
    num_gpus: float  # per actor
    batch_size: int

    def __post_init__(self) -> None:
        for name in ("actors", "batch_size"):
            check(getattr(self, name) >= 1, f"pseudo_label.{name}", getattr(self, name), "at least 1")
        check(self.num_cpus > 0, "pseudo_label.num_cpus", self.num_cpus, "above 0")
        check(self.num_gpus >= 0, "pseudo_label.num_gpus", self.num_gpus, "at least 0")
