"""Contrastive losses of one batch, which OVSegmentor, GroupViT and S-Seg share, over the rows of all workers.

Shape letters: B images, N texts of an image, T texts, D joint width, V names.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ovseg_core.losses import gather
from ovseg_core.losses.contrastive import info_nce
from ovseg_core.losses.multi_label import multi_label_contrast
from ovseg_core.losses.words import WordBatch
from ovseg_core.methods.words import word_batch
from ovseg_core.records import Batch


class Contrast:
    """Contrastive losses of one batch, over the rows of all workers where `sync` says so."""

    def __init__(self, batch: Batch, temperature: Tensor, mask_negatives: bool, sync: bool) -> None:
        self.temperature, self.sync = temperature, sync and gather.is_distributed()
        self.same: Tensor | None = None
        if mask_negatives:
            count = sum(map(len, batch.words))
            words: WordBatch = word_batch(batch, batch.words, batch.images.new_zeros(count, 0).float())
            self.same = (words.gathered() if self.sync else words).describes()

    def rows(self, tensor: Tensor) -> Tensor:
        """Of all workers."""
        if not self.sync:
            return tensor
        if tensor.dtype == torch.bool:  # not every backend gathers them
            return gather.gather_rows(tensor.long())[0].bool()
        return gather.gather_rows(tensor)[0]

    def pairs(self, one: Tensor, other: Tensor) -> Tensor:
        """InfoNCE of (B, D) images and (B, D) captions, Eq. 7; it is printed without its logarithm."""
        return info_nce(self.rows(one), self.rows(other), self.temperature, self.same)

    def completions(
        self, one: Tensor, other: Tensor, names: list[list[str]], asked: list[list[str]]
    ) -> Tensor:
        """InfoNCE of (B, D) completed captions and (B, D) prompts, Eq. 9; rows that ask for nothing are out.

        Args:
            names: all names of each image; asked: those in its prompt. Where negatives are masked, a prompt
                is no negative of an image that has all of its names, such as one of the same text.
        """
        one, other = self.rows(one), self.rows(other)
        if self.sync:
            names, asked = gather.gather_lists(names), gather.gather_lists(asked)
        kept = [row for row, some in enumerate(asked) if some]
        if not kept:
            return 0 * (one.sum() + other.sum())
        same = None
        if self.same is not None:
            same = has_all([names[row] for row in kept], [asked[row] for row in kept]).to(one.device)
        return info_nce(one[kept], other[kept], self.temperature, same)

    def labels(
        self, images: Tensor, texts: Tensor, has: Tensor, drawn: list[list[str]], names: list[list[str]]
    ) -> Tensor:
        """(B, D) images against (B, N, D) texts of their own.

        Args:
            drawn: the names in these texts, up to N per image.
            names: all names of each image; where negatives are masked, a text of one of them is none of it.
        """
        same = None
        if self.same is not None:
            if self.sync:
                drawn, names = (gather.gather_lists(some) for some in (drawn, names))
            same = true_of(names, drawn, texts.shape[1]).to(images.device)
        images, texts, has = self.rows(images), self.rows(texts), self.rows(has)
        return multi_label_contrast(images, texts, has, self.temperature, same)


def true_of(names: list[list[str]], drawn: list[list[str]], count: int) -> Tensor:
    """(B, B, count) bool: image b has the n-th of the names drawn for image c."""
    place, says = _said(names)
    places = [[place.get(name, -1) for name in some] + [-1] * (count - len(some)) for some in drawn]
    return says[:, torch.tensor(places, dtype=torch.int64).view(len(drawn), count)]


def has_all(names: list[list[str]], asked: list[list[str]]) -> Tensor:
    """(B, B) bool: image b has every name that is asked for in c."""
    place, says = _said(names)
    wants = torch.zeros(len(asked), says.shape[1])
    for row, some in enumerate(asked):
        wants[row, [place.get(name, -1) for name in some]] = 1
    return (~says).float() @ wants.T == 0


def _said(names: list[list[str]]) -> tuple[dict[str, int], Tensor]:
    """Columns of the names, and (B, V + 1) bool who has which; the last one is any other name's."""
    place = {name: index for index, name in enumerate(dict.fromkeys(name for some in names for name in some))}
    says = torch.zeros(len(names), len(place) + 1, dtype=torch.bool)
    for row, some in enumerate(names):
        says[row, [place[name] for name in some]] = True
    return place, says


def padded(texts: Sequence[Sequence[str]], count: int) -> tuple[list[str], list[list[bool]]]:
    """Up to `count` texts of each of B rows as B x count, and which are there."""
    flat = [text for some in texts for text in [*some, *[""] * (count - len(some))]]
    return flat, [[True] * len(some) + [False] * (count - len(some)) for some in texts]


def text_rows(
    embed_texts: Callable[[list[str]], Tensor],
    texts: Sequence[Sequence[str]],
    count: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """(B, count, D) embeddings of up to `count` texts each, and (B, count) which are there."""
    flat, has = padded(texts, count)
    distinct = list(dict.fromkeys(flat))
    place = {text: index for index, text in enumerate(distinct)}
    rows = torch.tensor([place[text] for text in flat], device=device)
    found = embed_texts(distinct)[rows].unflatten(0, (len(texts), count))
    return found, torch.tensor(has, dtype=torch.bool, device=device)
