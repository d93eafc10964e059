"""The actor's side of pseudo-labelling: one shard of images in, the masks of a frozen teacher out."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ovseg_core import files, shards
from ovseg_core.masks.mask_table import Labelled, mask_table
from ovseg_core.params import check
from pipelines.actor_device import prepare


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Section `pseudo_label`."""

    actors: int
    num_cpus: float  # and torch threads, per actor
    num_gpus: float  # per actor
    batch_size: int
    precision: Literal["auto", "float32", "bf16"]  # auto: bf16 where the device computes it fast
    max_bad: float  # share of undecodable images above which the stage fails

    def __post_init__(self) -> None:
        for name in ("actors", "batch_size"):
            check(getattr(self, name) >= 1, f"pseudo_label.{name}", getattr(self, name), "at least 1")
        check(self.num_cpus > 0, "pseudo_label.num_cpus", self.num_cpus, "above 0")
        check(self.num_gpus >= 0, "pseudo_label.num_gpus", self.num_gpus, "at least 0")
        check(0 <= self.max_bad <= 1, "pseudo_label.max_bad", self.max_bad, "from 0 to 1")


@dataclass(frozen=True)
class LabelJob:
    """What a labelling actor needs to know. Plain values: weights never travel with a task."""

    teacher: dict[str, Any]  # section teachers.<name>
    model: str  # model folder of the run `teacher`
    image: dict[str, Any]  # section model.image
    out: str  # folder of `{shard}.parquet`
    features: str  # folder of the stage `features`
    use_maps: bool  # its maps are those of the teacher's own frozen backbone
    stamps: dict[str, str]  # shard -> fingerprint of what its masks are made from
    weights: str  # hash of the teacher's weights; "" where it has none of its own
    settings: LabelSettings


def mask_path(job: LabelJob, shard: str) -> str:
    """Where the masks of a shard lie."""
    return files.join(job.out, shards.name_of(shard) + ".parquet")


class Labeller:
    """One teacher, called with one shard after another. It imports nothing of Ray."""

    def __init__(self, job: LabelJob) -> None:
        from ovseg_core.teachers.registry import load

        self.job, self.settings = job, job.settings
        self.device, self.half = prepare(job.settings)
        self.teacher = load(job.teacher, job.model, self.device, job.image, job.features)

    def __call__(self, shard: str) -> dict[str, int]:
        """Write the masks of one shard; returns its number of images and the drops by reason."""
        from ovseg_core.training.loader import in_background

        keys = shards.read_table(shard + ".parquet", columns=["key"])["key"].to_pylist()
        drops: Counter[str] = Counter()
        maps = self.maps(shard, keys)
        samples, size = shards.whole_samples(shard), self.settings.batch_size
        # decodes while the teacher looks
        batches = in_background(lambda: shards.decoded_batches(samples, size, drops))
        found = dict(row for batch in batches for row in self.label(batch, maps))
        missing = sum(key not in found for key in keys) - drops.total()
        if missing:
            drops["missing_sample"] = missing
        table = mask_table(keys, found, self.job.weights)
        report = {"images": len(keys), **drops}
        shards.write_table(mask_path(self.job, shard), table, self.job.stamps[shard], report)
        return report

    def maps(self, shard: str, keys: list[str]) -> Callable[[list[str]], list[Any]]:
        """A function from keys to cached maps, one (B, C, h, w) tensor per level; none without a cache."""
        if not self.job.use_maps:
            return lambda _: []
        from ovseg_core.training.shard_cache import level_names, read_maps

        levels = read_maps(files.join(self.job.features, shards.name_of(shard) + ".safetensors"))
        row = {key: number for number, key in enumerate(keys)}
        names = level_names(levels)
        return lambda some: [levels[name][[row[key] for key in some]] for name in names]

    def label(
        self, batch: list[tuple[dict[str, Any], np.ndarray]], maps: Callable[[list[str]], list[Any]]
    ) -> Iterator[tuple[str, Labelled]]:
        """Key, size and masks of each image of a batch."""
        import torch

        keys, images = [raw["__key__"] for raw, _ in batch], [image for _, image in batch]
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            proposed = self.teacher(images, maps(keys))
        for key, image, masks in zip(keys, images, proposed, strict=True):
            yield key, ((image.shape[0], image.shape[1]), masks)
