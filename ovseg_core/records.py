"""What flows between the parts, with shapes and units. Box order is xyxy in pixels, everywhere inside.

Shape letters: H, W image size in pixels; N masks of one image; B images of a batch; M the most masks
that an image of the batch has; h, w the size at which a batch carries masks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:  # stages that never touch a tensor start without loading torch
    from torch import Tensor


class BadSample(Exception):
    """One sample that cannot be used. `reason` is a short slug that the ledgers and funnels count by."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Rle(TypedDict):
    """One binary mask in COCO's compressed run-length encoding."""

    size: list[int]  # [H, W]
    counts: str


@dataclass(frozen=True)
class MaskSet:
    """The masks that one teacher proposes for one image, before any threshold."""

    masks: list[Rle]
    scores: np.ndarray  # (N,) float32 in [0, 1]

    def __post_init__(self) -> None:
        if len(self.masks) != len(self.scores):
            raise ValueError(f"a MaskSet has {len(self.masks)} masks and {len(self.scores)} scores")


@dataclass(frozen=True)
class Segments:
    """Human annotation of one image: a map of segment ids and, where known, the class name of each."""

    ids: np.ndarray  # (H, W) uint16, 0 where nothing is annotated, else an index into names plus one
    names: list[str]  # one per segment; "" where only the mask is known


@dataclass(frozen=True)
class Sample:
    """One image with its caption, as a shard stores it."""

    key: str  # shard name + row, unique over all shards
    image: np.ndarray  # (H, W, 3) uint8 RGB
    caption: str
    segments: Segments | None = None


@dataclass
class Batch:
    """What a method's `losses` reads. Images of a batch share one size; lists have B entries."""

    keys: list[str]
    images: Tensor  # (B, 3, H, W) float32 in [0, 1]; the method's image tower normalises
    captions: list[str]
    words: list[list[str]]  # curated words and phrases of each caption, before word dropout
    masks: Tensor  # (B, M, h, w) bool, class-agnostic, human or pseudo; rows past num_masks are False
    num_masks: Tensor  # (B,) int64; 0 where an image has no mask supervision
    labels: Tensor  # (B, M) int64 index into `label_names`, -1 where the class of a mask is unknown
    label_names: list[str] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)  # cached maps of a frozen backbone, else empty
    seed: int = 0  # of this step and rank: every random choice in a loss is drawn from it
    # of methods that ask for them (`reads_entities`, `reads_nouns`), else empty
    nouns: list[list[str]] = field(
        default_factory=list
    )  # of each sample, in all lines of its caption; verbs too where a method says `reads_verbs`
    entities: list[list[str]] = field(default_factory=list)
    entity_names: list[str] = field(default_factory=list)  # the whole set
    partner: list[int] = field(default_factory=list)  # row that shares an entity with this one, -1 for none
    shared: list[str] = field(default_factory=list)  # that entity, "" for none
    step: int = 0  # updates made so far, of `steps`: for losses that come in late
    steps: int = 1

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, rows: list[int]) -> Batch:
        """Some of its images, in that order; a partner that is not among them is none."""
        lists = ("keys", "captions", "words", "nouns", "entities", "shared")
        place = {row: number for number, row in enumerate(rows)}
        picked = {name: [some[row] for row in rows] for name in lists if (some := getattr(self, name))}
        tensors = {name: getattr(self, name)[rows] for name in ("images", "masks", "num_masks", "labels")}
        partner = [place.get(self.partner[row], -1) for row in rows] if self.partner else []
        features = [level[rows] for level in self.features]
        return Batch(**{**self.__dict__, **picked, **tensors, "partner": partner, "features": features})

    def to(self, device: str) -> Batch:
        """The same batch with its tensors on `device`."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("images", "masks", "num_masks", "labels")
        }
        features = [level.to(device, non_blocking=True) for level in self.features]
        return Batch(**{**self.__dict__, **moved, "features": features})
