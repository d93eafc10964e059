"""From raw members of a shard to one prepared sample, and from prepared samples to a batch.

Shape letters: S side of the view; h = w = S / mask_stride; M masks; B images.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ovseg_core import hashing, shards
from ovseg_core.records import BadSample, Batch
from ovseg_core.training.augment import View, draw_view, whole_view
from ovseg_core.training.settings import DataSettings
from ovseg_core.training.shard_cache import Decoded, LoadedShard, level_names


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
    nouns: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)


def decode(shard: LoadedShard, key: str, settings: DataSettings) -> Decoded:
    """Image, masks and captions of one sample; human masks where it has them, else those of the teacher.

    Raises:
        BadSample: when it is missing or cannot be decoded.
    """
    raw = shard.raw.get(key)
    if raw is None:
        raise BadSample(shard.problem, key)
    if not shard.maps and "jpg" not in raw:
        raise BadSample("no_image", key)
    image = None if shard.maps else shards.decode_image(raw["jpg"])
    text = raw.get("txt", b"").decode("utf-8", "replace")
    captions = [line for line in text.split("\n") if line.strip()] or [
        ""
    ]  # a source with several: one a line
    if "png" in raw:
        size = None if image is None else (image.shape[0], image.shape[1])
        segments = shards.decode_segments(raw, size)
        if "confidence.png" in raw:  # of a model that labelled the image
            segments = shards.confident(raw, segments, settings.min_confidence)
        return Decoded(captions, image, segments.ids, (), segments.names)
    masks = shard.masks.select(key, settings) if shard.masks else np.zeros((0, 1, 1), bool)
    return Decoded(captions, image, np.packbits(masks), masks.shape, [""] * len(masks))


def prepare(
    sample: Decoded,
    maps: list[Tensor],
    key: str,
    words: list[str],
    settings: DataSettings,
    seed: tuple[int, ...],
) -> Prepared:
    """One random view of a sample; the same (seed, key) gives the same view and caption.

    Args:
        maps: (C, h, w) cached maps that stand for the image, or none.
    """
    random = np.random.default_rng((*seed, hashing.number(key)))
    caption = sample.captions[int(random.integers(len(sample.captions)))]
    if sample.image is None:
        view, image = whole_view(settings, random), None
        maps = [level.flip(-1) for level in maps] if view.flipped else maps
    else:
        view = draw_view(sample.image.shape[0], sample.image.shape[1], settings, random)
        image = view.image(sample.image)
    masks, names = _masks_of(sample, view, settings)
    return Prepared(key, caption, words, image, masks, names, maps)


def maps_of(shard: LoadedShard, row: int, key: str) -> list[Tensor]:
    """The cached maps of one row of a shard, finest first; none without a cache."""
    if shard.maps and not shard.maps["valid"][row]:
        raise BadSample("no_features", key)
    return [shard.maps[name][row] for name in level_names(shard.maps)]


def _masks_of(sample: Decoded, view: View, settings: DataSettings) -> tuple[np.ndarray, list[str]]:
    """The view's (M, h, w) masks and their names; the largest `max_masks`, without those that it lost."""
    if sample.shape:
        bits = np.unpackbits(sample.masks, count=math.prod(sample.shape)).reshape(sample.shape)
        masks = view.masks(bits.view(bool), settings.mask_stride)
        order = np.flatnonzero(masks.any((1, 2)))  # best score first, as chosen
    else:
        ids = view.masks(sample.masks[None], settings.mask_stride)[0]
        masks = ids == np.arange(1, len(sample.names) + 1, dtype=ids.dtype)[:, None, None]
        area = masks.sum((1, 2))
        order = np.argsort(-area, kind="stable")[: settings.max_masks]
        order = order[area[order] > 0]
    return masks[order], [sample.names[i] for i in order]


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
        nouns=[sample.nouns for sample in samples],
        entities=[sample.entities for sample in samples],
    )


def _images(samples: list[Prepared], side: int) -> Tensor:
    pixels = [sample.image for sample in samples if sample.image is not None]
    if not pixels:  # cached maps: a tensor that has the shape of the images and takes no memory
        return torch.zeros(1, dtype=torch.uint8).expand(len(samples), 3, side, side)
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)  # NHWC in memory: channels_last
