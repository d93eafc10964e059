"""Region-image cross-attention: learnt queries that turn into masks (OpenSeg, Sec. 3.1 and App. C).

Shape letters: B images, N queries, D width, h x w locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """One round q^(t) -> q^(t+1): attention from queries to locations, then an MLP; both residual.

    OpenSeg has no self-attention among queries: it does not help there (App. C). Queries that are matched one
    to one have to know of each other: with `self_attention` they attend to each other first, as in DETR.
    """

    def __init__(self, width: int, heads: int, self_attention: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        # no biases: a key's is lost in the softmax, a value's adds to that of `out`
        self.key, self.value = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.among, self.norm_among = None, None
        if self_attention:
            self.among = nn.MultiheadAttention(width, heads, batch_first=True)
            self.norm_among = nn.LayerNorm(width)

    def forward(self, queries: Tensor, locations: Tensor) -> Tensor:
        """(B, N, D) queries and (B, hw, D) locations -> (B, N, D)."""
        if self.among is not None and self.norm_among is not None:
            own = self.norm_among(queries)
            queries = queries + self.among(own, own, own, need_weights=False)[0]
        query = self._split(self.query(self.norms[0](queries)))
        few = self.heads * queries.shape[1] < queries.shape[2]
        gathered = (self._project_queries if few else self._project_locations)(query, locations)
        queries = queries + self.out(gathered.transpose(1, 2).flatten(2))
        return queries + self.mlp(self.norms[1](queries))

    def _project_locations(self, query: Tensor, locations: Tensor) -> Tensor:
        """(B, heads, N, d) queries to what they gather from (B, hw, D) locations, (B, heads, N, d)."""
        key, value = self._split(self.key(locations)), self._split(self.value(locations))
        # written out: torch's fused attention is slow on a processor for so few queries
        return (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(-1) @ value

    def _project_queries(self, query: Tensor, locations: Tensor) -> Tensor:
        """The same, and less work for few queries: q (W x) = (q W) x."""
        key, value = (part.weight.unflatten(0, (self.heads, -1)) for part in (self.key, self.value))
        asked = (query @ key).flatten(1, 2)  # (B, heads N, D)
        # with locations on the left, their gradients of all rounds lie in memory alike and add up fast
        weights = (locations @ asked.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(1).transpose(1, 2)
        return (weights @ locations).unflatten(1, query.shape[1:3]) @ value.transpose(1, 2)

    def _split(self, x: Tensor) -> Tensor:
        """(B, L, D) -> (B, heads, L, D / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MaskQueries(nn.Module):
    """Learnt position embeddings and queries; mask logits are dot(q, F_s + PE).

    Positions are learnt for a `positions` x `positions` map and interpolated for others.
    """

    def __init__(
        self, num_queries: int, width: int, layers: int, positions: int, self_attention: bool = False
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(num_queries, width))
        self.positions = nn.Parameter(torch.randn(1, width, positions, positions) * 0.02)
        heads = max(1, width // 32)
        self.layers = nn.ModuleList(CrossAttention(width, heads, self_attention) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.to_mask = nn.Linear(width, width)

    def position_embedding(self, height: int, width: int) -> Tensor:
        """(1, D, height, width)."""
        if self.positions.shape[-2:] == (height, width):
            return self.positions
        return F.interpolate(self.positions, (height, width), mode="bicubic", align_corners=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """F_s, (B, D, h, w) -> mask logits (B, N, h, w) and the queries behind them (B, N, D)."""
        located = features + self.position_embedding(*features.shape[-2:]).to(features.dtype)
        flat = located.flatten(2).transpose(1, 2)
        queries = self.queries.expand(len(features), -1, -1)
        for layer in self.layers:
            queries = layer(queries, flat)
        queries = self.norm(queries)
        # divided by the root of the width, so that masks start undecided instead of saturated
        logits = (flat @ self.to_mask(queries).transpose(1, 2)).transpose(1, 2) / flat.shape[-1] ** 0.5
        return logits.unflatten(2, features.shape[-2:]), queries
