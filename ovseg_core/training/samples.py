"""From raw members of a shard to one prepared sample, and from prepared samples to a batch.

Shape letters: S side of the view; h = w = S / mask_stride; M masks; B images.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ovseg_core import shards
from ovseg_core.records import BadSample, Batch
from ovseg_core.training.augment import View, draw_view, whole_view
from ovseg_core.training.settings import DataSettings
from ovseg_core.training.shard_cache import LoadedShard


@dataclass
class Prepared:
    """One sample, augmented."""

    key: str
    caption: str
    words: list[str]
    image: np.ndarray | None  # (S, S, 3) uint8; None where cached maps stand for it
    masks: np.ndarray  # (M, h, w) bool
    names: list[str]  # M class names, "" where unknown
    maps: list[Tensor] = field(default_factory=list)  # (C, h_l, w_l) per level


def prepare(
    shard: LoadedShard, key: str, row: int, words: list[str], settings: DataSettings, seed: tuple[int, ...]
) -> Prepared:
    """One sample of a loaded shard; the same (seed, key) gives the same view and caption.

    Raises:
        BadSample: when it is missing or cannot be decoded.
    """
    raw = shard.raw.get(key)
    if raw is None:
        raise BadSample(shard.problem, key)
    random = np.random.default_rng((*seed, _number(key)))
    caption = _draw_caption(raw.get("txt", b"").decode("utf-8", "replace"), random)
    if shard.maps:
        view, image, maps = whole_view(settings, random), None, _maps_of(shard.maps, row, key)
        maps = [level.flip(-1) for level in maps] if view.flipped else maps
        size: tuple[int, int] | None = None
    else:
        pixels = _decode(raw)
        size = (pixels.shape[0], pixels.shape[1])
        view, maps = draw_view(*size, settings, random), []
        image = view.image(pixels)
    masks, names = _masks_of(shard, raw, size, view, settings)
    return Prepared(key, caption, words, image, masks, names, maps)


def _decode(raw: dict[str, Any]) -> np.ndarray:
    if "jpg" not in raw:
        raise BadSample("no_image", raw["__key__"])
    return shards.decode_image(raw["jpg"])


def _number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _draw_caption(text: str, random: np.random.Generator) -> str:
    """One of the captions of an image; a source with several stores one per line."""
    captions = [line for line in text.split("\n") if line.strip()] or [""]
    return captions[int(random.integers(len(captions)))]


def _maps_of(maps: dict[str, Tensor], row: int, key: str) -> list[Tensor]:
    if not maps["valid"][row]:
        raise BadSample("no_features", key)
    return [maps[name][row] for name in sorted(maps) if name != "valid"]


def _masks_of(
    shard: LoadedShard, raw: dict[str, Any], size: tuple[int, int] | None, view: View, settings: DataSettings
) -> tuple[np.ndarray, list[str]]:
    """Human masks where the sample has them, else the teacher's; masks that the view lost are dropped."""
    if "png" in raw:
        segments = shards.decode_segments(raw, size)
        ids = view.masks(segments.ids[None], settings.mask_stride)[0]
        masks = ids == np.arange(1, len(segments.names) + 1, dtype=ids.dtype)[:, None, None]
        order = np.argsort(-masks.sum((1, 2)), kind="stable")[: settings.max_masks]
        masks, names = masks[order], [segments.names[i] for i in order]
    elif shard.masks is not None:
        masks = view.masks(shard.masks.select(raw["__key__"], settings), settings.mask_stride)
        names = [""] * len(masks)
    else:
        return np.zeros(
            (0, settings.size // settings.mask_stride, settings.size // settings.mask_stride), bool
        ), []
    seen = masks.any((1, 2))
    return masks[seen], [name for name, kept in zip(names, seen, strict=True) if kept]


def collate(samples: list[Prepared], label_names: list[str], settings: DataSettings, seed: int) -> Batch:
    """B prepared samples as one batch. Its images are still uint8; the loop scales them on the device."""
    side = settings.size // settings.mask_stride
    most = max([1, *(len(sample.masks) for sample in samples)])
    masks = np.zeros((len(samples), most, side, side), bool)
    labels = np.full((len(samples), most), -1, np.int64)
    number = {name: index for index, name in enumerate(label_names)}
    for row, sample in enumerate(samples):
        masks[row, : len(sample.masks)] = sample.masks
        labels[row, : len(sample.masks)] = [number.get(name, -1) for name in sample.names]
    return Batch(
        keys=[sample.key for sample in samples],
        images=_images(samples, settings.size),
        captions=[sample.caption for sample in samples],
        words=[sample.words for sample in samples],
        masks=torch.from_numpy(masks),
        num_masks=torch.tensor([len(sample.masks) for sample in samples]),
        labels=torch.from_numpy(labels),
        label_names=label_names,
        features=[torch.stack(level) for level in zip(*(s.maps for s in samples), strict=True)],
        seed=seed,
    )


def _images(samples: list[Prepared], side: int) -> Tensor:
    pixels = [sample.image for sample in samples if sample.image is not None]
    if not pixels:  # cached maps: a tensor that has the shape of the images and takes no memory
        return torch.zeros(1, dtype=torch.uint8).expand(len(samples), 3, side, side)
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)  # NHWC in memory: channels_last
