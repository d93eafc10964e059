"""Words that start where the images are of which they were said: a closed form that training goes on from.

The images are the means of cached maps. A model that maps them elsewhere first (groups, projected) has its
words started there: its images are embedded once, with the weights that it starts with. Words that start
from regions then move to those cells of a grid over their images that look most like them.

Shape letters: n images, N regions of an image, V words, K components, D width of another space.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ovseg_core import files, shards
from ovseg_core.masks.clustering import grid_regions
from ovseg_core.masks.pooling import pool
from ovseg_core.methods.word_vectors import Said, located, vectors_anywhere, word_vectors
from ovseg_core.params import ParamError
from ovseg_core.training.corpus import Stream
from ovseg_core.training.shard_cache import level_names, read_maps

AT_ONCE = 64  # images that a model embeds
SIDE, ROUNDS = 7, 2  # of the grid; in which words move


def start_words(model: nn.Module, stream: Stream | None, features: str | None, start: str) -> None:
    """Give the text tower of `model` the words of `stream` as the maps in the folder `features` show them.

    Args:
        start: `images`, or `regions`: from there to where in the images the words are.

    Raises:
        ParamError: where the model maps regions through a head of its own, or no maps are cached.
    """
    head = getattr(getattr(model, "semantics", None), "head", None)
    own_space = hasattr(model, "embed_maps") and start == "images"
    if features is None or stream is None or not (own_space or isinstance(head, nn.Identity)):
        raise ParamError(
            f"model.text.start is {start!r}; it takes captioned images, cached maps (features.backbone, the "
            "same model.image and data.size) and methods whose head is none, or that group ('images' alone)"
        )
    if own_space:
        words, vectors = vectors_anywhere(embedded_images(model, stream, features), stream.words)
    else:
        means = image_means(stream, features)
        words, vectors = word_vectors(means, stream.words)
        if start == "regions":
            vectors = in_regions(vectors, stream, features, ~means.isnan().any(1))
    tower: Any = model.text  # the small one: section `model` was checked
    tower.start_from(dict(zip(words, vectors, strict=True)))


def in_regions(vectors: Tensor, stream: Stream, features: str, readable: Tensor) -> Tensor:
    """(V, K) words of the (n,) `readable` images of `stream`, moved to where in these they are."""
    said = Said.of(stream.words, readable).of_each(len(readable))
    for _ in range(ROUNDS):
        vectors = located(vectors, cells(stream, features, said))
    return vectors


def image_means(stream: Stream, features: str) -> Tensor:
    """(n, K) means of the images' maps; NaN for an image that could not be read."""
    means = [
        maps["mean"].masked_fill(~maps["valid"][:, None], torch.nan)[rows]
        for maps, rows in _cached(stream, features)
    ]
    return torch.cat(means)[_order(stream)]


@torch.no_grad()
def embedded_images(model: Any, stream: Stream, features: str) -> Tensor:
    """(n, D) embeddings of the images as `model` stands; NaN for an image that could not be read."""
    training = model.training
    model.eval()
    found = []
    for maps, rows in _cached(stream, features):
        for some in rows.split(AT_ONCE):
            embedded = model.embed_maps([maps[name][some].float() for name in level_names(maps)])
            found.append(embedded.masked_fill(~maps["valid"][some, None], torch.nan))
    model.train(training)
    return torch.cat(found)[_order(stream)]


def cells(stream: Stream, features: str, said: Sequence[Tensor]) -> Iterator[tuple[Tensor, Sequence[Tensor]]]:
    """(m, N, K) means of the readable images' maps over the cells of a grid, and what was said of each."""
    for number, (maps, rows) in enumerate(_cached(stream, features)):
        places = torch.from_numpy(np.flatnonzero(stream.shard_of == number))
        known = maps["valid"][rows]
        last = maps[level_names(maps)[-1]]
        for some, where in zip(rows[known].split(AT_ONCE), places[known].split(AT_ONCE), strict=True):
            level = last[some].float()
            height, width = level.shape[-2:]
            grid = grid_regions(len(some), min(SIDE, height, width), height, width, level.device)
            yield pool(level, grid), [said[place] for place in where.tolist()]


def _cached(stream: Stream, features: str) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Of each shard the cached maps and the rows in use."""
    for number, shard in enumerate(stream.shards):
        maps = read_maps(files.join(features, shards.name_of(shard) + ".safetensors"))
        yield maps, torch.from_numpy(stream.rows[stream.shard_of == number])


def _order(stream: Stream) -> Tensor:
    """From shard after shard to the order of the stream."""
    return torch.from_numpy(np.argsort(np.argsort(stream.shard_of, kind="stable"), kind="stable"))
