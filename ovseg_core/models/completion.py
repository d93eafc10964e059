"""The decoder of masked entity completion (OVSegmentor, Eq. 8).

Shape letters: B images and captions, M tokens of a caption, K groups, W width of the text tower.
"""

from torch import Tensor, nn

from ovseg_core.models.text_tokens import TextTokens

HEAD_WIDTH = 64


class EntityDecoder(nn.Module):
    """One transformer decoder layer: the masked caption asks, the groups answer.

    As in Vaswani et al.: self-attention among the caption's tokens, cross-attention to the groups (its three
    projections are W_q, W_k and W_v of Eq. 8), an MLP; norms come first, as in the visual encoder. The paper
    calls it a transformer decoder layer and says no more; the authors' code attends to the groups first.

    Args:
        width: W; groups of another width are mapped to it first.
        layers: the paper has one.
    """

    def __init__(self, width: int, group_width: int, layers: int = 1) -> None:
        super().__init__()
        self.fit = nn.Linear(group_width, width) if group_width != width else nn.Identity()
        heads = max(1, width // HEAD_WIDTH)
        layer = nn.TransformerDecoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))

    def forward(self, tokens: TextTokens, groups: Tensor) -> Tensor:
        """Tokens of B masked captions and (B, K, D) groups -> (B, M, W)."""
        return self.layers(tokens.features, self.fit(groups), tgt_key_padding_mask=~tokens.real)
