"""Sections `train`, `data` and `features` of params.yaml. No torch here: checking parameters stays cheap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ovseg_core.params import check
from ovseg_core.text.settings import CaptionFilter

COMPONENTS_FILE = "components.safetensors"  # beside the cached maps, where `model.image.components` is set


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Section `train`: optimisation, checkpoints, workers."""

    steps: int  # updates of the weights
    batch_size: int  # images of one update, over all workers and accumulated parts
    lr: float  # peak learning rate
    schedule: Literal[
        "cosine", "poly"
    ]  # fall of the rate to 0; poly: in a straight line, as in BEiT and S-Seg+
    layer_decay: float | None  # factor on the rate per layer of a vision transformer, from the last one down
    text_lr_scale: float  # factor on the learning rate of the text tower
    weight_decay: float  # not on vectors and scalars: norms, biases, temperatures
    warmup_steps: int
    start: (
        str | None
    )  # a model folder whose weights training starts from, such as a first stage; {seed} in it
    clip_norm: float | None  # largest norm of the whole gradient
    accumulate: int  # parts that one update's batch is cut into, for memory
    precision: Literal["auto", "float32", "bf16"]  # auto: bf16 where the device computes it fast
    ema: float | None  # decay of an averaged copy of the weights, which is then the model
    checkpoint_every: int  # steps between training states
    log_every: int  # steps that one point of a curve averages over
    workers: int
    threads: int  # of torch, per worker
    num_gpus: int  # per worker
    storage: str | None  # where training states lie, seen by all nodes; null: ./work

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch_size",
            "accumulate",
            "checkpoint_every",
            "log_every",
            "workers",
            "threads",
        ):
            check(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "at least 1")
        for name in ("weight_decay", "warmup_steps", "text_lr_scale"):
            check(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "at least 0")
        check(self.lr > 0, "train.lr", self.lr, "above 0")
        check(
            self.clip_norm is None or self.clip_norm > 0,
            "train.clip_norm",
            self.clip_norm,
            "above 0, or null",
        )
        decay = self.layer_decay
        check(decay is None or 0 < decay <= 1, "train.layer_decay", decay, "above 0, up to 1, or null")
        check(self.ema is None or 0 < self.ema < 1, "train.ema", self.ema, "between 0 and 1, or null")
        check(
            self.num_gpus in (0, 1),
            "train.num_gpus",
            self.num_gpus,
            "0 or 1; more GPUs need more train.workers",
        )
        parts = self.workers * self.accumulate
        check(
            self.batch_size % parts == 0,
            "train.batch_size",
            self.batch_size,
            f"a multiple of train.workers x train.accumulate = {parts}, so that every part has the same size",
        )

    @property
    def part_size(self) -> int:
        """Images that one worker sees in one forward pass."""
        return self.batch_size // (self.workers * self.accumulate)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Section `data`: which samples a batch holds, and how images and masks are prepared."""

    labelled: float  # share of a batch with human masks
    captioned: bool  # images that have only a caption fill the rest; false leaves them out
    images: int | None  # samples of each kind, labelled and caption-only, that a run learns from; null: all
    pairs: float  # share of a batch that partners fill: images that show an entity of another image of it
    words: CaptionFilter | None  # what a run takes of the words that curate.filter kept; null: all of them
    pseudo: str | None  # teacher whose masks caption-only images carry
    min_score: float  # of a pseudo mask
    min_confidence: (
        float  # of a pixel that another model labelled; below it is void (or as `self_label.below`)
    )
    nms_iou: float  # overlap at which the worse of two pseudo masks goes
    max_masks: int  # per image: the best pseudo masks, the largest human ones
    size: int  # side of the square that training sees, pixels
    scale_jitter: tuple[float, ...]  # lowest and highest scale; 1 puts the shorter side at `size`
    flip: bool
    mask_stride: int  # masks are carried at 1/stride of the image
    window: int  # shards that are held in memory and shuffled together
    memory_mb: int  # per worker and stream: shards and decoded images that stay beyond their window
    threads: int  # that decode and augment
    max_bad: float  # share of unusable samples above which training stops

    def __post_init__(self) -> None:
        for name in ("labelled", "min_score", "min_confidence", "nms_iou", "max_bad"):
            check(0 <= getattr(self, name) <= 1, f"data.{name}", getattr(self, name), "from 0 to 1")
        check(
            self.captioned or self.labelled > 0,
            "data.labelled",
            self.labelled,
            "above 0 where data.captioned is false, or there is nothing to train on",
        )
        check(self.images is None or self.images >= 1, "data.images", self.images, "at least 1, or null")
        room = (1 - self.labelled_share) / 2
        check(
            0 <= self.pairs <= room,
            "data.pairs",
            self.pairs,
            f"from 0 to {room:g}: a partner for each other caption-only image of a batch at most",
        )
        for name in ("max_masks", "size", "mask_stride", "window", "threads"):
            check(getattr(self, name) >= 1, f"data.{name}", getattr(self, name), "at least 1")
        check(self.memory_mb >= 0, "data.memory_mb", self.memory_mb, "at least 0")
        low_high = len(self.scale_jitter) == 2 and 0.1 <= self.scale_jitter[0] <= self.scale_jitter[1] <= 10
        check(low_high, "data.scale_jitter", self.scale_jitter, "[lowest, highest], both from 0.1 to 10")
        check(
            self.size % self.mask_stride == 0,
            "data.mask_stride",
            self.mask_stride,
            f"a divisor of data.size = {self.size}",
        )

    @property
    def labelled_share(self) -> float:
        """Share of a batch that the labelled stream fills."""
        return self.labelled if self.captioned else 1.0


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Section `features`: maps of a frozen backbone, computed once and read by every training."""

    backbone: str | None  # equal to model.image.backbone; null where the backbone trains
    size: int  # images are brought to size x size pixels; runs read the maps where data.size is the same
    actors: int
    num_cpus: float  # and torch threads, per actor
    num_gpus: float  # per actor
    batch_size: int
    precision: Literal["auto", "float32", "bf16"]  # auto: bf16 where the device computes it fast

    def __post_init__(self) -> None:
        for name in ("size", "actors", "batch_size"):
            check(getattr(self, name) >= 1, f"features.{name}", getattr(self, name), "at least 1")
        check(self.num_cpus > 0, "features.num_cpus", self.num_cpus, "above 0")
        check(self.num_gpus >= 0, "features.num_gpus", self.num_gpus, "at least 0")


def backbone_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """Of section `model.image`, what decides a frozen backbone's maps: all but the width of the pyramid."""
    return {name: value for name, value in image.items() if name != "width"}
