"""Region-word alignment from captions: OpenSeg's grounding loss, and a word-to-image contrast beside it.

Shape letters: B images and captions, N regions of an image, K words (of all captions), D embedding width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.precision import float32
from ovseg_core.losses.words import WordBatch

LOWEST = -1e4  # a logit that stands for "not among the negatives"


@float32
def word_scores(regions: Tensor, words: Tensor, temperature: Tensor | float) -> Tensor:
    """How well each image shows each word: softmax over its regions, then the weighted mean of their cosines.

        sum_i sigma(g(z, w_j))_i <z_i, w_j>                                     (inner sum of Eq. 3)

    Args:
        regions: (B, N, D), words: (K, D), of any length; temperature: tau of Eq. 2.

    Returns:
        (B, K) cosines in [-1, 1].
    """
    cosine = torch.einsum(
        "bnd,kd->bnk", F.normalize(regions.float(), dim=-1), F.normalize(words.float(), dim=-1)
    )
    return ((cosine / temperature).softmax(1) * cosine).sum(1)


@float32
def caption_scores(scores: Tensor, captions: Tensor) -> Tensor:
    """G(I, C) of Eq. 3, the mean over a caption's words: (B, K), (C, K) bool -> (B, C), 0 without words."""
    share = captions.float() / captions.sum(1, keepdim=True).clamp(min=1)
    return scores @ share.T


@float32
def grounding(scores: Tensor, words: WordBatch, temperature: Tensor, mask_negatives: bool) -> Tensor:
    """L_G of OpenSeg, in both directions over the batch.

        L_G = -1/B * sum_b (log sigma(G(I, C_b))_b + log sigma(G(I_b, C))_b)      (Eq. 4)

    Args:
        scores: (B, K) of `word_scores`.
        words: the K words and who said them.
        temperature: tau of Eq. 2.
        mask_negatives: leave out a pair (image b, caption c) when all kept words of c were also said of b:
            such an image is no counterexample. Off: every other caption is a negative, as in the paper.

    Returns:
        Scalar in nats, the mean over captions that have words (the others are no rows and no negatives); 0
        when fewer than two have.
    """
    captions = words.captions()
    used = captions.any(1)
    similarity = caption_scores(scores, captions)  # (B images, B captions)
    wrong = ~used[None] | ~used[:, None]
    if mask_negatives:
        wrong = wrong | words.describes()
    wrong = wrong & ~torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    logits = (similarity / temperature).masked_fill(wrong, LOWEST)
    both = logits.log_softmax(0).diagonal() + logits.log_softmax(1).diagonal()
    return -(both * used).sum() / used.sum().clamp(min=1)


@float32
def word_to_image(scores: Tensor, words: WordBatch, temperature: Tensor) -> Tensor:
    """Each kept word has to find its image among the batch's images; InfoNCE over images.

    Images that have the word in their own caption are no negatives. A word that many captions have counts
    once per caption, as in the grounding loss.

    Returns:
        Scalar in nats, the mean over words; 0 without words.
    """
    own, said = words.captions(), words.said()
    logits = (scores / temperature).masked_fill(said & ~own, LOWEST)  # (B, K)
    picked = logits.log_softmax(0)[words.owner, torch.arange(len(words.ids), device=scores.device)]
    return -picked.sum() / max(len(words.ids), 1)
