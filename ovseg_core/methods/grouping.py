"""What OVSegmentor and GroupViT share: projections to the joint space, contrast, and how groups are read.

Shape letters: B images, K groups, L = h x w locations, T texts, D joint width.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovseg_core.losses import gather
from ovseg_core.losses.contrastive import info_nce
from ovseg_core.losses.multi_label import multi_label_contrast
from ovseg_core.losses.words import WordBatch
from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.inference import dense_scores, region_scores
from ovseg_core.methods.words import word_batch
from ovseg_core.models.group_encoder import Grouped
from ovseg_core.models.text_towers import embed
from ovseg_core.records import Batch

WIDER = 16  # hidden units of an mlp projection per output: 4096 for 256, as in GroupViT


class Projection(nn.Module):
    """To the joint space: a linear map, or GroupViT's two layers with a batch norm between them."""

    def __init__(self, kind: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers: nn.Module = nn.Linear(inputs, outputs)
        self.norm: nn.BatchNorm1d | None = None
        if kind == "mlp":
            self.layers = nn.Linear(inputs, WIDER * outputs)
            self.norm = nn.BatchNorm1d(WIDER * outputs)
            self.last = nn.Linear(WIDER * outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), float32."""
        x = self.layers(x)
        if self.norm is None:
            return x.float()
        hidden = self.norm(x.flatten(0, -2)).view_as(x)
        return self.last(torch.relu(hidden)).float()


class Reading:
    """How the groups of a trained encoder answer: the verbs of `Method` but `losses`. Mixed into a module
    that has `image` (an encoder), `text` (a tower) and `project`."""

    proposes_groups = True  # its proposals share out the image
    image: Any
    text: nn.Module
    project: Projection
    noted: dict[str, float] = {}  # noqa: RUF012  numbers beside the losses, for curves; replaced every step

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) embeddings of unit length."""
        return self.joint_texts(texts)

    def joint_texts(self, texts: list[str]) -> Tensor:
        """(T, D) of unit length."""
        return embed(self.text, texts)

    def encode(self, images: Tensor, features: Sequence[Tensor] = ()) -> Grouped:
        """(B, 3, H, W) images in [0, 1], or cached maps of a frozen backbone, to groups."""
        return self.image(features or self.image.stem.maps(images))

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, h, w): the affinity of each location to each group; they add up to one."""
        return self.encode(images).masks.float()

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w): A G T^T (Eq. 1, before its argmax), with cosines between groups and texts.

        `none` reads every image token as a group of its own (of use where the second encoder keeps tokens).
        Given (B, M, H, W) masks take the mean of the scores in them.
        """
        found = self.encode(images)
        if isinstance(regions, str) and regions == "none":
            projected = self.project(found.tokens).transpose(1, 2).unflatten(2, found.size)
            return dense_scores(projected, text_embeddings)
        scores = region_scores(self.project(found.groups), found.masks, text_embeddings)
        if isinstance(regions, str):
            return scores
        means = pool(scores, match_size(regions, like=scores))  # (B, M, T)
        return (means.transpose(1, 2) @ regions.flatten(2).float()).unflatten(2, regions.shape[2:])

    @torch.no_grad()
    def picture(self, batch: Batch) -> dict[str, Tensor]:
        """What a trained model sees in a batch, to be drawn: `groups` (B, h, w) uint8, the strongest one."""
        found = self.encode(batch.images, batch.features)
        return {"groups": found.masks.argmax(1).to(torch.uint8)}

    def _note(self, found: Grouped) -> None:
        """Keep what a curve shows of the grouping."""
        self.noted = {"affinity_entropy": entropy(found.affinity)}


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


@torch.no_grad()
def entropy(affinity: Tensor) -> float:
    """Mean entropy of (B, L, K) weights over the groups, a share of log K: 1 undecided, 0 one group each."""
    weights = affinity.detach().float()
    nats = -(weights * weights.clamp(min=1e-9).log()).sum(-1).mean()
    return float(nats / math.log(max(weights.shape[-1], 2)))


def temperature_of(log_temperature: Tensor) -> Tensor:
    """tau, learnt from 0.07, with CLIP's bound."""
    return log_temperature.exp().clamp(min=0.01)


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
