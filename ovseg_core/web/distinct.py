"""Which rows of a long list were seen before, in 8 bytes a distinct row."""

import hashlib
from collections.abc import Sequence

import numpy as np


class Distinct:
    """A growing set of 64-bit hashes, kept as sorted runs that merge when they are of a size.

    Two different rows share a hash with probability n^2 / 2^65: 3 in a million for 10 million rows.
    """

    def __init__(self) -> None:
        self.runs: list[np.ndarray] = []  # sorted, each longer than the next

    def first_seen(self, rows: Sequence[str]) -> np.ndarray:
        """(N,) bool: True where a row is seen for the first time, in this batch or ever."""
        hashes = np.array([_hash(row) for row in rows], np.uint64)
        unique, first = np.unique(hashes, return_index=True)
        new = np.ones(len(unique), bool)
        for run in self.runs:
            place = np.minimum(np.searchsorted(run, unique), len(run) - 1)
            new &= run[place] != unique
        self._insert(unique[new])
        keep = np.zeros(len(hashes), bool)
        keep[first[new]] = True
        return keep

    def _insert(self, run: np.ndarray) -> None:
        if not len(run):
            return
        while self.runs and len(self.runs[-1]) <= len(run):
            run = np.sort(np.concatenate([self.runs.pop(), run]), kind="stable")
        self.runs.append(run)


def _hash(row: str) -> int:
    return int.from_bytes(hashlib.blake2b(row.encode(), digest_size=8).digest(), "little")
