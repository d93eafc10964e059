"""Text as a sequence: what a text tower knows of every token, for decoders that read captions word by word.

Shape letters: T texts, M tokens of the longest text, W width of the text tower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ovseg_core.models.text_towers import OpenClipText, SmallText
from ovseg_core.models.tokenizer import PAD

if TYPE_CHECKING:  # open_clip takes seconds to import
    from open_clip.transformer import TextTransformer

SMALL_MASK = "_mask_"  # a word that the small tower's vocabulary gets beside those of the corpus
CLIP_MASK = " ^ "  # one token of CLIP's byte-pair encoding, which has none for the purpose; rare in captions


@dataclass(frozen=True)
class TextTokens:
    """T texts, token by token."""

    features: Tensor  # (T, M, W) behind the tower's last layer, before its projection
    real: Tensor  # (T, M) bool, False where the text has ended
    end: Tensor  # (T, M) weights that add up to one: what stands for the whole text, its [EOT] token
    masked: Tensor  # (T, M) bool, the mask tokens

    def whole(self, features: Tensor) -> Tensor:
        """(T, M, E) features of the tokens -> (T, E) of the [EOT] token."""
        return (features * self.end[..., None].to(features.dtype)).sum(1)


def mask_text(tower: nn.Module) -> str:
    """What replaces a word in a caption: one token that no caption holds."""
    return SMALL_MASK if isinstance(tower, SmallText) else CLIP_MASK


def text_width(tower: nn.Module) -> int:
    """W."""
    if isinstance(tower, SmallText):
        return tower.embedding.embedding_dim
    assert isinstance(tower, OpenClipText)
    return transformer_of(tower).width


def text_tokens(tower: nn.Module, texts: list[str]) -> TextTokens:
    """The tokens of T texts, T > 0, with gradient unless the tower is frozen.

    The small tower has no [EOT] token: the mean over its words stands for the text, as in its embeddings.
    """
    if isinstance(tower, SmallText):
        return small_tokens(tower, texts)
    assert isinstance(tower, OpenClipText)
    return clip_tokens(tower, texts)


def small_tokens(tower: SmallText, texts: list[str]) -> TextTokens:
    """A word's own embedding plus what the layers say of it in its place."""
    ids = tower.tokenizer(texts).to(tower.embedding.weight.device)
    real = ids != PAD
    features = tower.embedding(ids)
    if tower.layers.num_layers:
        hidden = tower.layers(features + tower.position[: ids.shape[1]], src_key_padding_mask=~real)
        features = features + tower.gain * hidden
    end = real / real.sum(1, keepdim=True)
    return TextTokens(features, real, end, ids == tower.tokenizer.index[SMALL_MASK])


def clip_tokens(tower: OpenClipText, texts: list[str]) -> TextTokens:
    """Features behind the last norm, up to the last [EOT] of the batch."""
    transformer = transformer_of(tower)
    ids = tower.tokenizer(texts).to(next(transformer.parameters()).device)
    # as open_clip pools: `eos` looks for an id, `argmax` for the highest, which is [EOT] in CLIP's vocabulary
    last = (ids == transformer.eos_id).int() if transformer.pool_type == "eos" else ids
    place = last.argmax(-1)
    before = transformer.output_tokens
    transformer.output_tokens = True
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not tower.frozen):
            features = transformer(ids)[1]
    finally:
        transformer.output_tokens = before
    longest = int(place.max()) + 1
    order = torch.arange(longest, device=ids.device)
    mask = tower.tokenizer([CLIP_MASK])[0, 1].item()
    return TextTokens(
        features[:, :longest],
        order <= place[:, None],
        (order == place[:, None]).float(),
        ids[:, :longest] == mask,
    )


def transformer_of(tower: OpenClipText) -> TextTransformer:
    """The transformer inside."""
    from open_clip.transformer import TextTransformer

    inside = tower.tower
    assert isinstance(inside, TextTransformer)
    return inside
