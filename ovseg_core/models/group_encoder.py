"""Visual encoders that group: images in, K group embeddings and the affinity of every location to them out.

Shape letters: B images, L = hw image tokens, N learnt group tokens, K groups, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ovseg_core.models.binding import Assignment, SlotAttention, straight_through
from ovseg_core.models.grouping_block import GroupingBlock
from ovseg_core.models.settings import ImageSettings
from ovseg_core.models.tokens import build_tokens
from ovseg_core.params import ParamError


@dataclass(frozen=True)
class Grouped:
    """What an encoder makes of B images."""

    groups: Tensor  # (B, K, D) encoded group tokens, behind the last norm
    tokens: Tensor  # (B, L, D) image tokens: encoded where the second encoder keeps them, else I'
    affinity: Tensor  # (B, L, K), a token's weights over the groups
    queries: Tensor  # (B, K, D) Q of the last binding
    keys: Tensor  # (B, L, D) K of the first binding: one per location
    size: tuple[int, int]  # (h, w)

    @property
    def masks(self) -> Tensor:
        """The affinity as (B, K, h, w)."""
        return self.affinity.transpose(1, 2).unflatten(2, self.size)


class GroupEncoder(nn.Module):
    """OVSegmentor's visual encoder, Eq. 2: [G; I] = enc2 . bind . enc1([G; I]).

    Eq. 1 and 10 multiply "the image features" with "the group tokens". Both are those of the binding (K and Q
    of Eq. 3), as in the authors' code: only they learn to bind, whichever losses are on.

    Args:
        before, after: transformer layers of enc1 and enc2.
        keep_tokens: enc2 reads groups and image tokens, as in Eq. 2; or the groups alone, as in the authors'
            code, at a fraction of the cost.
        bind: from N group tokens to K groups: `SlotAttention` (N = K), or a `GroupingBlock`.
    """

    def __init__(
        self,
        settings: ImageSettings,
        bind: Literal["slots", "grouping_block"],
        num_tokens: int,
        num_groups: int,
        before: int,
        after: int,
        positions: int,
        keep_tokens: bool,
        temperature: float | None = None,
        iterations: int = 1,
    ) -> None:
        super().__init__()
        self.stem, blocks, self.norm = build_tokens(settings, before + after, positions)
        self.width = width = self.stem.width
        self.before, self.after = nn.Sequential(*blocks[:before]), nn.Sequential(*blocks[before:])
        self.num_groups, self.keep_tokens = num_groups, keep_tokens
        self.group_tokens = nn.Parameter(
            torch.randn(1, num_tokens, width) * (1.0 if bind == "slots" else 0.02)
        )
        self.bind: SlotAttention | GroupingBlock
        if bind == "slots":
            self.bind = SlotAttention(width, temperature, iterations)
        else:
            self.bind = GroupingBlock(width, heads_of(width), num_tokens, num_groups, hard=False)

    @property
    def components(self) -> nn.Module | None:
        """Principal components of its frozen backbone, where it has some."""
        return getattr(self.stem, "components", None)

    @property
    def assignment(self) -> Assignment:
        """What compares Q and K, also those of two images (Eq. 10)."""
        return self.bind.assignment

    def forward(self, maps: Sequence[Tensor]) -> Grouped:
        """Maps of `stem.maps`, or cached ones -> groups.

        Raises:
            ParamError: when there are more groups than image tokens.
        """
        x = self.stem(maps)
        size = (x.shape[2], x.shape[3])
        tokens = x.flatten(2).transpose(1, 2)
        check_groups(self.num_groups, tokens.shape[1])
        groups = self.group_tokens.to(tokens.dtype).expand(len(tokens), -1, -1)
        groups, tokens = run(self.before, groups, tokens)
        groups, queries, keys = self.bind(groups, tokens)
        affinity = self.assignment.affinity(self.assignment.logits(queries, keys))
        if self.keep_tokens:
            groups, tokens = run(self.after, groups, tokens)
        else:
            groups = self.after(groups)
        return Grouped(self.norm(groups), self.norm(tokens), affinity, queries, keys, size)


class GroupViT(nn.Module):
    """GroupViT's encoder (arXiv:2202.11094, Sec. 3.1): a stage of layers and a merge, twice, and last layers.

    Args:
        num_groups: segments behind each merge (64, 8); as many learnt group tokens go into it.
        depths: transformer layers of the two stages and behind the last merge (6, 3, 3).
    """

    def __init__(
        self, settings: ImageSettings, num_groups: Sequence[int], depths: Sequence[int], positions: int
    ) -> None:
        super().__init__()
        self.stem, blocks, self.norm = build_tokens(settings, sum(depths), positions)
        self.width = width = self.stem.width
        first, second, _ = depths
        self.stages = nn.ModuleList(
            nn.Sequential(*some)
            for some in (blocks[:first], blocks[first : first + second], blocks[first + second :])
        )
        self.num_groups, (many, few) = list(num_groups), num_groups
        self.group_tokens = nn.ParameterList([torch.randn(1, many, width) * 0.02, torch.zeros(1, few, width)])
        heads = heads_of(width)
        self.merge_many = GroupingBlock(width, heads, many, many, hard=True)
        self.merge_few = GroupingBlock(width, heads, few, few, hard=True)
        self.passed_on = nn.ModuleList(
            [
                nn.LayerNorm(width),
                nn.Sequential(nn.Linear(many, width // 2), nn.GELU(), nn.Linear(width // 2, few)),
            ]
        )

    @property
    def components(self) -> nn.Module | None:
        """Principal components of its frozen backbone, where it has some."""
        return getattr(self.stem, "components", None)

    def forward(self, maps: Sequence[Tensor], generator: torch.Generator | None = None) -> Grouped:
        """As `GroupEncoder`; `generator` draws the Gumbel noise, None adds none.

        The affinity of locations to the last groups is the product of the two soft assignments; in evaluation
        each location belongs to one group, as the released models are read.
        """
        x = self.stem(maps)
        size = (x.shape[2], x.shape[3])
        tokens = x.flatten(2).transpose(1, 2)
        check_groups(self.num_groups[0], tokens.shape[1])
        own = self.group_tokens[0].to(tokens.dtype).expand(len(tokens), -1, -1)
        own, tokens = run(self.stages[0], own, tokens)
        many, queries, keys = self.merge_many(own, tokens, generator)
        to_many = self.merge_many.assignment.logits(queries, keys).softmax(-1)
        norm, mix = self.passed_on
        few = self.group_tokens[1] + mix(norm(own).transpose(1, 2)).transpose(1, 2)
        few, segments = run(self.stages[1], few, many)
        few, queries, last_keys = self.merge_few(few, segments, generator)
        to_few = self.merge_few.assignment.logits(queries, last_keys).softmax(-1)
        affinity = to_many @ to_few
        if not self.training:
            affinity = straight_through(affinity.clamp(min=1e-9).log()).detach()
        groups = self.norm(self.stages[2](few))
        return Grouped(groups, self.norm(tokens), affinity, queries, keys, size)


def run(layers: nn.Module, groups: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Transformer layers on [G; I]."""
    both = layers(torch.cat([groups, tokens], 1))
    return both[:, : groups.shape[1]], both[:, groups.shape[1] :]


def heads_of(width: int) -> int:
    """Attention heads of a grouping block; the released models have width 384 and 6, or 768 and 8."""
    return next(
        heads for heads in (8, 6, 4, 2, 1) if (width % heads == 0 and width // heads >= 32) or heads == 1
    )


def check_groups(num_groups: int, num_tokens: int) -> None:
    """More groups than tokens cannot all hold something."""
    if num_groups > num_tokens:
        raise ParamError(
            f"methods: {num_groups} groups, but an image has {num_tokens} tokens; accepted: no more. "
            "A larger data.size or a smaller stride of model.image gives more"
        )
