"""Image tokens bound to group tokens: the softmax runs over the groups, so that they compete for each token.

Shape letters: B images, L image tokens, K groups, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Assignment(nn.Module):
    """The four linear maps of a binding, and what is computed with them (OVSegmentor, Eq. 3-6).

    The paper's Eq. 4 has bare dot products; they are divided by sqrt(D) here, as in slot attention and
    GroupViT, which W_q could undo. With a `temperature` they are cosines divided by it: groups are then told
    apart within a few hundred steps from a random start.

    Args:
        hard: each token goes to one group, with the gradient of the soft assignment (GroupViT, Eq. 5-7).
        epsilon: added to the sum of a group's weights; GroupViT's code has 1, the papers have none.
    """

    def __init__(
        self, width: int, temperature: float | None = None, hard: bool = False, epsilon: float = 1e-6
    ) -> None:
        super().__init__()
        self.temperature, self.hard, self.epsilon = temperature, hard, epsilon
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def logits(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, K, D) queries Q, (B, L, D) keys K -> (B, L, K) in float32, the exponents of Eq. 4."""
        with torch.autocast(queries.device.type, enabled=False):
            q, k = queries.float(), keys.float()
            if self.temperature is None:
                return k @ q.transpose(1, 2) / q.shape[-1] ** 0.5
            return F.normalize(k, dim=-1) @ F.normalize(q, dim=-1).transpose(1, 2) / self.temperature

    def affinity(self, logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A of Eq. 4, (B, L, K): a token's weights over the groups add up to one.

        Args:
            generator: draws Gumbel noise for a hard assignment; None adds none.
        """
        if not self.hard:
            return logits.softmax(-1)
        return straight_through(logits if generator is None else logits + gumbel(logits, generator))

    def gathered(self, affinity: Tensor, values: Tensor) -> Tensor:
        """G~ of Eq. 5: per group the mean of the (B, L, D) values, weighted by A: (B, K, D)."""
        weights = affinity / (affinity.sum(1, keepdim=True) + self.epsilon)
        return weights.to(values.dtype).transpose(1, 2) @ values


class SlotAttention(nn.Module):
    """The binding module of OVSegmentor, Eq. 3-6: G_bind = G' + W_o G~.

    The paper has one round and names no norms; both sides come out of pre-norm transformer layers, whose sums
    have no set scale, so both are normalised before W_q, W_k and W_v. Further rounds start from the groups
    of the last one, with the same weights (slot attention, arXiv:2006.15055).
    """

    def __init__(
        self, width: int, temperature: float | None = None, iterations: int = 1, norms: bool = True
    ) -> None:
        super().__init__()
        self.iterations = iterations
        self.assignment = Assignment(width, temperature)
        self.norm_groups, self.norm_tokens = (
            nn.LayerNorm(width) if norms else nn.Identity() for _ in range(2)
        )

    def forward(self, groups: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, K, D) groups G', (B, L, D) tokens I' -> G_bind (B, K, D), and Q and K of the last round."""
        tokens, own = self.norm_tokens(tokens), self.assignment
        keys, values = own.key(tokens), own.value(tokens)
        for _ in range(self.iterations):
            queries = own.query(self.norm_groups(groups))
            affinity = own.affinity(own.logits(queries, keys))
            groups = groups + own.out(own.gathered(affinity, values))
        return groups, queries, keys


def straight_through(logits: Tensor) -> Tensor:
    """One-hot of the largest in the last axis, with the gradient of the softmax."""
    soft = logits.softmax(-1)
    hard = F.one_hot(soft.argmax(-1), logits.shape[-1]).to(soft.dtype)
    return hard - soft.detach() + soft


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise from Gumbel(0, 1) in the shape of `like`."""
    uniform = torch.rand(like.shape, generator=generator, device=generator.device).clamp(1e-7, 1 - 1e-7)
    return -(-uniform.log()).log().to(like)
