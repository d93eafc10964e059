"""The words of a batch as tensors, so that losses can compare captions across workers without strings.

Shape letters: B captions, K kept words (one row per word and caption), S all words, D embedding width.
"""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ovseg_core.losses import gather


@dataclass(frozen=True)
class WordBatch:
    """Words of B captions, after and before word dropout."""

    embeddings: Tensor  # (K, D) of the kept words
    ids: Tensor  # (K,) int64, equal for equal words
    owner: Tensor  # (K,) int64 caption of each kept word
    said_ids: Tensor  # (S,) int64 ids of all words of the captions, dropped ones too
    said_owner: Tensor  # (S,) int64
    num_captions: int

    def captions(self) -> Tensor:
        """(B, K) bool: word k was kept in caption b."""
        return torch.arange(self.num_captions, device=self.owner.device)[:, None] == self.owner

    def said(self) -> Tensor:
        """(B, K) bool: word k occurs in caption b, kept there or not."""
        same = self.said_ids[:, None] == self.ids  # (S, K)
        counts = same.new_zeros(self.num_captions, len(self.ids), dtype=torch.float32)
        return counts.index_add_(0, self.said_owner, same.float()) > 0

    def describes(self) -> Tensor:
        """(B images, B captions) bool: all kept words of the caption were said of the image too."""
        missing = self.captions().float() @ (~self.said()).float().T  # (C, B) kept words of c that b lacks
        return missing.T == 0

    def gathered(self) -> "WordBatch":
        """The same over all workers, in the order of their ranks."""
        embeddings, counts = gather.gather_rows(self.embeddings)
        said_ids, said_counts = gather.gather_rows(self.said_ids)
        shifts = torch.arange(len(counts), device=counts.device) * self.num_captions
        owner, said_owner = gather.gather_rows(self.owner)[0], gather.gather_rows(self.said_owner)[0]
        return replace(
            self,
            embeddings=embeddings,
            ids=gather.gather_rows(self.ids)[0],
            owner=owner + shifts.repeat_interleave(counts),
            said_ids=said_ids,
            said_owner=said_owner + shifts.repeat_interleave(said_counts),
            num_captions=self.num_captions * len(counts),
        )


def word_id(word: str) -> int:
    """63-bit id of a word, the same on every worker and in every run."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big") >> 1


def drop_words(words: list[list[str]], keep_probability: float, seed: int) -> list[list[str]]:
    """Every word kept with `keep_probability` (kp of OpenSeg, App. H); a caption may lose all of them."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(sum(map(len, words)), generator=generator).tolist()
    taken = iter(draws)
    return [[word for word in caption if next(taken) < keep_probability] for caption in words]
