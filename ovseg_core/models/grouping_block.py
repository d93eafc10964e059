"""GroupViT's grouping block (Xu et al., arXiv:2202.11094, Sec. 3.1), also what OVSegmentor's code binds with.

Shape letters: B images, L tokens, N group tokens, K groups that come out, D width.
"""

import torch
from torch import Tensor, nn

from ovseg_core.models.binding import Assignment

FEED_FORWARD = 4


class GroupingBlock(nn.Module):
    """Merges L tokens into K: group tokens mixed to K, a look at the tokens, assignment, then an MLP.

    The paper gives the assignment (Eq. 4-7). The layers around it (the mixing of N group tokens to K, the
    cross attention before and the MLP behind) are as in the released models.

    Args:
        hard: straight-through assignment with Gumbel noise in training (GroupViT); soft in OVSegmentor.
    """

    def __init__(self, width: int, heads: int, num_tokens: int, num_groups: int, hard: bool) -> None:
        super().__init__()
        from timm.layers import Mlp  # timm takes two seconds to import, and most methods do without

        self.norm_groups, self.norm_tokens = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = Mlp(num_tokens, width // 2, num_groups)
        self.norm_mixed = nn.LayerNorm(width)
        self.look = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_look = nn.LayerNorm(width)
        self.look_mlp = Mlp(width, FEED_FORWARD * width)
        self.norm_queries = nn.LayerNorm(width)
        self.assignment = Assignment(width, hard=hard, epsilon=1.0)
        self.norm_out = nn.LayerNorm(width)
        self.mlp = Mlp(width, FEED_FORWARD * width)

    def forward(
        self, groups: Tensor, tokens: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) group tokens, (B, L, D) tokens -> groups (B, K, D), and the Q and K of the assignment."""
        groups, tokens = self.norm_groups(groups), self.norm_tokens(tokens)
        mixed = self.norm_mixed(self.mix(groups.transpose(1, 2)).transpose(1, 2))
        mixed = mixed + self.look(mixed, tokens, tokens, need_weights=False)[0]
        mixed = self.norm_queries(mixed + self.look_mlp(self.norm_look(mixed)))
        own = self.assignment
        queries, keys = own.query(mixed), own.key(tokens)
        affinity = own.affinity(own.logits(queries, keys), generator)
        merged = mixed + own.out(own.gathered(affinity, own.value(tokens)))
        return merged + self.mlp(self.norm_out(merged)), queries, keys
