"""Words that start where the images are of which they were said: a closed form that training goes on from.

In the space of evened-out principal components (`models/components.py`) the mean of a word's images, less the
mean of all, is the solution of ridge regression of the word on the images, up to its length (the linear
discriminant of Hastie et al., The Elements of Statistical Learning, 4.3 and 12.6). A word starts in that
direction, at unit length, so that rare and frequent words reach alike. Its component along the constant one
takes the images' mean off and holds `PRIOR` times the logarithm of the share of images that have the word.

Shape letters: n images, V words, K components, the last of them constant.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core import files, shards
from ovseg_core.params import ParamError
from ovseg_core.training.corpus import Stream
from ovseg_core.training.shard_cache import read_maps

PRIOR = 0.3  # in deviations of a word's score over images


def start_words(model: nn.Module, stream: Stream | None, features: str | None) -> None:
    """Give the text tower of `model` the words of `stream` as the maps in the folder `features` show them.

    Raises:
        ParamError: where the model maps regions through a head of its own, or no maps are cached.
    """
    head = getattr(getattr(model, "semantics", None), "head", None)
    if features is None or stream is None or not isinstance(head, nn.Identity):
        raise ParamError(
            "model.text.start is 'images'; it takes captioned images, cached maps (features.backbone, the "
            "same model.image and data.size) and methods whose head is none"
        )
    words, vectors = word_vectors(image_means(stream, features), stream.words)
    tower: Any = model.text  # the small one: section `model` was checked
    tower.start_from(dict(zip(words, vectors, strict=True)))


def image_means(stream: Stream, features: str) -> Tensor:
    """(n, K) means of the images' maps; NaN for an image that could not be read."""
    means = []
    for number, shard in enumerate(stream.shards):
        maps = read_maps(files.join(features, shards.name_of(shard) + ".safetensors"))
        mean = maps["mean"].masked_fill(~maps["valid"][:, None], torch.nan)
        means.append(mean[torch.from_numpy(stream.rows[stream.shard_of == number])])
    order = np.argsort(np.argsort(stream.shard_of, kind="stable"), kind="stable")
    return torch.cat(means)[torch.from_numpy(order)]


def word_vectors(means: Tensor, said: pa.Array) -> tuple[list[str], Tensor]:
    """The words of `said` (n lists) that have an image, sorted, and their starts (V, K), of unit length."""
    readable = ~means.isnan().any(1)
    rows = torch.from_numpy(pc.list_parent_indices(said).to_numpy(zero_copy_only=False).copy())
    coded = pc.list_flatten(said).dictionary_encode()
    ids = torch.from_numpy(coded.indices.to_numpy(zero_copy_only=False).copy()).long()
    rows, ids = rows[readable[rows]], ids[readable[rows]]
    counts = torch.bincount(ids, minlength=len(coded.dictionary)).float()
    sums = torch.zeros(len(counts), means.shape[1]).index_add_(0, ids, means[rows])
    some = counts > 0
    names: Sequence[str] = coded.dictionary.to_pylist()
    known = sorted((name, number) for number, name in enumerate(names) if some[number])
    order = torch.tensor([number for _, number in known], dtype=torch.int64)
    centre = means[readable].mean(0)
    vectors = _starts(sums[order] / counts[order, None], centre, counts[order] / readable.sum())
    return [name for name, _ in known], vectors


def _starts(of_words: Tensor, centre: Tensor, share: Tensor) -> Tensor:
    direction = F.normalize(of_words - centre, dim=-1)  # its last component is 0
    prior = share.log()
    offset = PRIOR * (prior - prior.median()) - direction @ centre
    direction[:, -1] = offset / centre[-1]
    return F.normalize(direction, dim=-1)
