"""Vectors of words from the images of which they were said, in closed form.

In the space of evened-out principal components (`models/components.py`) the mean of a word's images, less the
mean of all, is the solution of ridge regression of the word on the images, up to its length (the linear
discriminant of Hastie et al., The Elements of Statistical Learning, 4.3 and 12.6). A word starts in that
direction, at unit length, so that rare and frequent words reach alike. Its component along the constant one
takes the images' mean off and holds `PRIOR` times the logarithm of the share of images that have the word.

Shape letters: n images, V words, K components, the last of them constant, D width of another space.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.models.components import principal_components

PRIOR = 0.3  # in deviations of a word's score over images


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


def vectors_anywhere(images: Tensor, said: pa.Array) -> tuple[list[str], Tensor]:
    """`word_vectors` of (n, D) images in any space: evened out first, and the vectors brought back.

    There is no constant component for what a word adds to every image; it lies along the images' mean.
    """
    readable = images[~images.isnan().any(1)]
    count = images.shape[1]
    found = principal_components(count, len(readable), readable.sum(0), readable.T @ readable)
    words, vectors = word_vectors(images @ found["basis"] + found["bias"], said)
    mean = readable.mean(0)
    offset = (vectors @ found["bias"])[:, None] * mean / mean.square().sum()
    return words, F.normalize(vectors @ found["basis"].T + offset, dim=-1)


def _starts(of_words: Tensor, centre: Tensor, share: Tensor) -> Tensor:
    direction = F.normalize(of_words - centre, dim=-1)  # its last component is 0
    prior = share.log()
    offset = PRIOR * (prior - prior.median()) - direction @ centre
    direction[:, -1] = offset / centre[-1]
    return F.normalize(direction, dim=-1)
