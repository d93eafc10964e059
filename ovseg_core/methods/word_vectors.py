"""Vectors of words from the images of which they were said, in closed form.

In the space of evened-out principal components (`models/components.py`) the mean of a word's images, less the
mean of all, is the solution of ridge regression of the word on the images, up to its length (the linear
discriminant of Hastie et al., The Elements of Statistical Learning, 4.3 and 12.6). A word starts in that
direction, at unit length, so that rare and frequent words reach alike. Its component along the constant one
takes the images' mean off and holds `PRIOR` times the logarithm of the share of images that have the word.

The mean of a word's images holds what is around the thing, too. `located` goes from there to the places in
these images that look most like the word, as in multiple-instance learning.

Shape letters: n images, N regions of an image, V words, K components, the last of them constant, D width of
another space.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.models.components import principal_components

PRIOR = 0.3  # in deviations of a word's score over images
TEMPERATURE = 0.05  # of the cosines of an image's regions with a word


@dataclass(frozen=True)
class Said:
    """Which words were said of which of n images: those that were said of any, sorted, and the pairs."""

    words: list[str]
    rows: Tensor  # (P,) image of each pair, rising
    ids: Tensor  # (P,) its word

    @classmethod
    def of(cls, lists: pa.Array, readable: Tensor) -> "Said":
        """From n lists of words; (n,) `readable` says which images count."""
        rows = torch.from_numpy(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).copy())
        coded = pc.list_flatten(lists).dictionary_encode()
        ids = torch.from_numpy(coded.indices.to_numpy(zero_copy_only=False).copy()).long()
        rows, ids = rows[readable[rows]], ids[readable[rows]]
        names: Sequence[str] = coded.dictionary.to_pylist()
        known = sorted((names[number], number) for number in ids.unique().tolist())
        place = torch.zeros(len(names), dtype=torch.int64)
        place[[number for _, number in known]] = torch.arange(len(known))
        return cls([name for name, _ in known], rows, place[ids])

    def counts(self) -> Tensor:
        """(V,) images that have each word."""
        return torch.bincount(self.ids, minlength=len(self.words)).float()

    def of_each(self, num_images: int) -> tuple[Tensor, ...]:
        """The words of each image."""
        return self.ids.split(torch.bincount(self.rows, minlength=num_images).tolist())


def word_vectors(means: Tensor, said: pa.Array) -> tuple[list[str], Tensor]:
    """The words of `said` (n lists) that have an image, sorted, and their starts (V, K), of unit length."""
    readable = ~means.isnan().any(1)
    known = Said.of(said, readable)
    counts = known.counts()
    sums = torch.zeros(len(counts), means.shape[1]).index_add_(0, known.ids, means[known.rows])
    centre = means[readable].mean(0)
    return known.words, _starts(sums / counts[:, None], centre, counts / readable.sum())


def located(vectors: Tensor, images: Iterable[tuple[Tensor, Sequence[Tensor]]]) -> Tensor:
    """Words moved to the regions of their images that look most like them: (V, K) -> (V, K), unit length.

    The regions of an image are weighted by the softmax of their cosines with the word, as in the grounding
    loss (Eq. 3 of OpenSeg); the rest is as for whole images, with the mean of all regions taken off.

    Args:
        vectors: (V, K) where the words are.
        images: some at a time, (m, N, K) regions and m lists of the words that were said of each image.
    """
    sums, seen = torch.zeros_like(vectors), torch.zeros(len(vectors))
    total, num_images = torch.zeros(vectors.shape[1]), 0
    for regions, said in images:
        total, num_images = total + regions.mean(1).sum(0), num_images + len(regions)
        looks = F.normalize(regions, dim=-1)
        for image, look, ids in zip(regions, looks, said, strict=True):
            weights = (look @ vectors[ids].T / TEMPERATURE).softmax(0)  # (N, words of the image)
            sums.index_add_(0, ids, weights.T @ image)
            seen.index_add_(0, ids, torch.ones(len(ids)))
    return _starts(sums / seen[:, None], total / num_images, seen / num_images)


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
