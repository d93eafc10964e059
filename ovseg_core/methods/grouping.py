"""What OVSegmentor and GroupViT share: projections to the joint space, and how groups are read.

Shape letters: B images, K groups, L = h x w locations, T texts, D joint width.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.inference import local_scores, region_scores
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

    def image_rows(self, found: Grouped) -> Tensor:
        """(B, D) z^I: the mean of the groups first, then the projection, as both papers have it."""
        return self.project(found.groups.mean(1))

    def embed_maps(self, maps: Sequence[Tensor]) -> Tensor:
        """Backbone maps of B images -> (B, D) of unit length, as the contrast sees them."""
        return torch.nn.functional.normalize(self.image_rows(self.image(maps)), dim=-1)

    def proposals(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, h, w): the affinity of each location to each group; they add up to one."""
        return self.encode(images).masks.float()

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w): A G T^T (Eq. 1, before its argmax), with cosines between groups and texts.

        `none` reads every image token as a group of its own (of use where the second encoder keeps tokens),
        `clusters` with those that are like it.
        Given (B, M, H, W) masks take the mean of the scores in them.
        """
        found = self.encode(images)
        if isinstance(regions, str) and regions != "predicted":
            projected = self.project(found.tokens).transpose(1, 2).unflatten(2, found.size)
            return local_scores(projected, text_embeddings, regions)
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


@torch.no_grad()
def entropy(affinity: Tensor) -> float:
    """Mean entropy of (B, L, K) weights over the groups, a share of log K: 1 undecided, 0 one group each."""
    weights = affinity.detach().float()
    nats = -(weights * weights.clamp(min=1e-9).log()).sum(-1).mean()
    return float(nats / math.log(max(weights.shape[-1], 2)))


def temperature_of(log_temperature: Tensor) -> Tensor:
    """tau, learnt from 0.07, with CLIP's bound."""
    return log_temperature.exp().clamp(min=0.01)
