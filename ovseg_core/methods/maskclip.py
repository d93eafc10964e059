"""CLIP read token by token, without training: MaskCLIP (Zhou et al., arXiv:2112.01071), and its plain tokens.

Shape letters: B images, T texts, D joint width, L = h x w patches.
"""

import torch
from torch import Tensor, nn

from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.inference import local_scores, region_scores
from ovseg_core.methods.settings import MaskClipSettings
from ovseg_core.models.clip_tokens import ClipTokens
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.params import check
from ovseg_core.records import Batch

TEMPERATURE = 0.01  # where CLIP's learnt one stands: its bound
LOWEST = 1e-12  # a probability that stands for none


class MaskClip(nn.Module):
    """A pretrained open_clip model, the one that `model.text` names, as it is."""

    Settings = MaskClipSettings
    trains = False

    def __init__(self, settings: MaskClipSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        self.image = ClipTokens(model.text)
        width = self.image.vit.output_dim
        check(model.embed_dim == width, "model.embed_dim", model.embed_dim, f"{width} for {model.text.tower}")
        self.text = build_text_tower(model.text, words, model.embed_dim).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(TEMPERATURE).log(), requires_grad=False)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """There is nothing to learn."""
        raise NotImplementedError("maskclip is not trained")

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) embeddings of unit length."""
        return embed(self.text, texts)

    def score_maps(
        self, images: Tensor, text_embeddings: Tensor, regions: "str | Tensor" = "predicted"
    ) -> Tensor:
        """(B, T, h, w) scores of patches or their clusters, or over given (B, M, H, W) masks.

        With a refinement the scores are logarithms of probabilities times the temperature, so that a softmax
        over them gives those back; without, cosines.
        """
        tokens, keys = self.image(images, self.settings.tokens == "value")
        if not isinstance(regions, str):
            return region_scores(pool(tokens, match_size(regions, tokens)), regions, text_embeddings)
        scores = local_scores(tokens, text_embeddings, regions)
        denoise, smooth = self.settings.prompt_denoising, self.settings.key_smoothing
        if denoise is None and smooth is None:
            return scores
        logits = scores.flatten(2) / TEMPERATURE
        if denoise is not None:
            logits = denoised(logits, denoise)
        shares = logits.softmax(1)
        if smooth is not None:
            shares = smoothed(shares, keys, smooth)
        return (TEMPERATURE * shares.clamp(min=LOWEST).log()).unflatten(2, scores.shape[2:])


def denoised(logits: Tensor, threshold: float) -> Tensor:
    """Prompt denoising: a text that is nowhere in the image above `threshold` is taken out (Sec. 3.3).

    The text that is surest of all stays, so that there is always one.

    Args:
        logits: (B, T, L).
    """
    highest = logits.softmax(1).amax(2, keepdim=True)  # (B, T, 1)
    absent = (highest < threshold) & (highest < highest.amax(1, keepdim=True))
    return logits.masked_fill(absent, -1e4)


def smoothed(shares: Tensor, keys: Tensor, threshold: float) -> Tensor:
    """Key smoothing: what patches with like keys say, for patches less sure than `threshold` (Sec. 3.3).

        pred(x_i) <- sum_j cos(k_i, k_j) pred(x_j), over the sum of the weights

    A negative cosine counts as none, so that the result is a share again. The paper has the plain sum, and
    the authors' code maps the keys by the layer's output projection first.

    Args:
        shares: (B, T, L) probabilities; keys: (B, L, W) of the last layer.
    """
    unit = nn.functional.normalize(keys.float(), dim=-1)
    weights = (unit @ unit.transpose(1, 2)).clamp(min=0)
    weights = weights / weights.sum(-1, keepdim=True)
    blurred = shares @ weights.transpose(1, 2)
    return torch.where(shares.amax(1, keepdim=True) < threshold, blurred, shares)
