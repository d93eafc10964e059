"""The class-agnostic mask part of OpenSeg: F to mask logits, and what the model thinks of each mask.

Shape letters: B images, N queries, D width, h x w locations.
"""

from torch import Tensor, nn

from ovseg_core.masks.pooling import pool
from ovseg_core.models.cross_attention import MaskQueries
from ovseg_core.models.fpn import Head


class MaskProposer(nn.Module):
    """Head to F_s, position embedding, T rounds of cross-attention, dot products (Sec. 3.1)."""

    def __init__(self, width: int, num_queries: int, layers: int, positions: int) -> None:
        super().__init__()
        self.head = Head(width, width, width)
        self.queries = MaskQueries(num_queries, width, layers, positions)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """F, (B, D, h, w) -> mask logits (B, N, h, w) and queries (B, N, D)."""
        return self.queries(self.head(features))


class SemanticHead(nn.Module):
    """F to the joint space of regions and words.

    `conv` is the paper's head: F_z from convolutions, then pooling. `mlp` pools F first and maps one vector
    per region: much cheaper where regions are fixed and F comes from a frozen backbone.
    """

    def __init__(self, kind: str, width: int, embed_dim: int) -> None:
        super().__init__()
        self.pools_first = kind == "mlp"
        hidden = nn.Linear(width, 4 * width)
        self.head = (
            nn.Sequential(nn.LayerNorm(width), hidden, nn.GELU(), nn.Linear(4 * width, embed_dim))
            if self.pools_first
            else Head(width, width, embed_dim)
        )

    def dense(self, features: Tensor) -> Tensor:
        """F, (B, D, h, w) -> an embedding per location, (B, E, h, w)."""
        if not self.pools_first:
            return self.head(features)
        return self.head(features.movedim(1, -1)).movedim(-1, 1)

    def regions(self, features: Tensor, masks: Tensor) -> Tensor:
        """F, (B, D, h, w), and masks (B, N, h, w) -> region embeddings z, (B, N, E)."""
        return self.head(pool(features, masks)) if self.pools_first else pool(self.head(features), masks)
