"""A word-level tokenizer over the corpus vocabulary, for the small text tower."""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from ovseg_core.files import fingerprint

PAD, UNKNOWN = 0, 1  # words of the vocabulary are above
TOKEN = re.compile(r"\w+(?:['-]\w+)*")


class WordTokenizer:
    """Texts to word indices: the single words of the vocabulary's words and phrases; others are UNKNOWN."""

    def __init__(self, vocabulary: Iterable[str], max_words: int = 12) -> None:
        self.words = sorted({token for entry in vocabulary for token in split(entry)})
        self.index = {word: number for number, word in enumerate(self.words, start=2)}
        self.max_words = max_words

    def __len__(self) -> int:
        return len(self.words) + 2

    @property
    def fingerprint(self) -> str:
        """32 hex digits that differ between vocabularies."""
        return fingerprint(self.words)

    def reads(self, text: str) -> bool:
        """Whether any word of `text` is in the vocabulary."""
        return any(word in self.index for word in split(text))

    def __call__(self, texts: list[str]) -> Tensor:
        """T texts -> (T, L) int64, padded with PAD, cut after `max_words`; without any word, one UNKNOWN."""
        rows = [[self.index.get(token, UNKNOWN) for token in split(text)] or [UNKNOWN] for text in texts]
        length = min(self.max_words, max(map(len, rows), default=1))
        ids = torch.full((len(rows), length), PAD)
        for target, row in zip(ids, rows, strict=True):
            kept = torch.tensor(row[:length])
            target[: len(kept)] = kept
        return ids


def split(text: str) -> list[str]:
    """Lower-case words of a text, without punctuation."""
    return TOKEN.findall(text.lower())
