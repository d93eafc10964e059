"""From the captions of a batch to the tensors that grounding losses read."""

import torch
from torch import Tensor, nn

from ovseg_core.losses.words import WordBatch, drop_words, word_id
from ovseg_core.models.text_towers import embed
from ovseg_core.records import Batch


def embed_words(tower: nn.Module, batch: Batch, keep_probability: float) -> WordBatch:
    """The batch's words through a text tower, each distinct one once; dropped by `batch.seed` alone."""
    kept = drop_words(batch.words, keep_probability, batch.seed)
    distinct = list(dict.fromkeys(word for caption in kept for word in caption))
    place = {word: number for number, word in enumerate(distinct)}
    rows = _flat([[place[word] for word in caption] for caption in kept], batch.images.device)
    return word_batch(batch, kept, embed(tower, distinct)[rows])


def word_batch(batch: Batch, kept: list[list[str]], embeddings: Tensor) -> WordBatch:
    """Who said what in a batch; `kept` are the words of each caption that `embeddings` (K, D) stand for."""
    device = batch.images.device
    return WordBatch(
        embeddings=embeddings,
        ids=_flat([[word_id(word) for word in caption] for caption in kept], device),
        owner=_owners(kept, device),
        said_ids=_flat([[word_id(word) for word in caption] for caption in batch.words], device),
        said_owner=_owners(batch.words, device),
        num_captions=len(batch),
    )


def _flat(rows: list[list[int]], device: torch.device) -> Tensor:
    return torch.tensor([value for row in rows for value in row], dtype=torch.int64, device=device)


def _owners(rows: list[list[str]], device: torch.device) -> Tensor:
    return _flat([[number] * len(row) for number, row in enumerate(rows)], device)
