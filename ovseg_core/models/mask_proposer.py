"""The class-agnostic mask part of OpenSeg: F to mask logits, and what the model thinks of each mask.

Shape letters: B images, N queries, D width, h x w locations.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.models.cross_attention import MaskQueries
from ovseg_core.models.fpn import Head
from ovseg_core.models.image_tower import ImageTower, last_map
from ovseg_core.params import ParamError


class MaskProposer(nn.Module):
    """Head to F_s, position embedding, T rounds of cross-attention, dot products (Sec. 3.1)."""

    def __init__(
        self, width: int, num_queries: int, layers: int, positions: int, self_attention: bool = False
    ) -> None:
        super().__init__()
        self.head = Head(width, width, width)
        self.queries = MaskQueries(num_queries, width, layers, positions, self_attention)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """F, (B, D, h, w) -> mask logits (B, N, h, w) and queries (B, N, D)."""
        return self.queries(self.head(features))


class SemanticHead(nn.Module):
    """Features to the joint space of regions and words.

    `conv` is the paper's head on F: F_z from convolutions, then pooling. `mlp` pools the backbone's last map
    and maps one vector per region: much cheaper. `none` takes the last map, pooled, as the joint space, as it
    is; its width has to be embed_dim.
    """

    def __init__(self, kind: str, tower: ImageTower, embed_dim: int) -> None:
        super().__init__()
        self.pools_first = kind != "conv"
        if kind == "none" and tower.last_width != embed_dim:
            raise ParamError(
                f"model.embed_dim is {embed_dim}; where the head is none it has to be {tower.last_width}"
            )
        self.head: Any = nn.Identity()
        if kind != "none":
            one, width = tower.last_width, tower.width
            self.head = mlp(one, 2 * embed_dim, embed_dim) if kind == "mlp" else Head(width, width, embed_dim)

    def source(self, maps: Sequence[Tensor], features: Tensor) -> Tensor:
        """Of the backbone's maps and F, what this head reads."""
        return last_map(maps) if self.pools_first else features

    def dense(self, features: Tensor) -> Tensor:
        """(B, D, h, w) -> an embedding per location, (B, E, h, w)."""
        if not self.pools_first:
            return self.head(features)
        return self.head(features.movedim(1, -1)).movedim(-1, 1)

    def regions(self, features: Tensor, masks: Tensor) -> Tensor:
        """(B, D, h, w) and masks (B, N, H, W) of any size -> region embeddings z, (B, N, E)."""
        masks = match_size(masks, like=features)
        return self.head(pool(features, masks)) if self.pools_first else pool(self.head(features), masks)

    def whole(self, features: Tensor) -> Tensor:
        """(B, D, h, w) -> one embedding per image, (B, E)."""
        if self.pools_first:
            return self.head(features.mean((2, 3))).float()
        return self.head.mean(features)


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers with norms before each."""
    return nn.Sequential(
        nn.LayerNorm(inputs),
        nn.Linear(inputs, hidden),
        nn.GELU(),
        nn.LayerNorm(hidden),
        nn.Linear(hidden, outputs),
    )
