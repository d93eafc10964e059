"""Which captions stay and which units of them: over whole columns, a shard at a time.

A unit is a word or a phrase with its part of speech. Tables of units have the columns `row` (of the shard),
`word` and `part`; a word stands once in a row, under the first of its parts in the order of PARTS.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PARTS = ("noun", "adjective", "verb", "phrase", "other")
COLUMN = {"noun": "nouns", "adjective": "adjectives", "verb": "verbs"}
TAKEN = {  # caption filters of OpenSeg's Table 5
    "noun_adj": ("noun", "adjective"),
    "noun_adj_verb": ("noun", "adjective", "verb"),
    "all_words": ("noun", "adjective", "verb", "other"),
}


def taken_parts(caption_filter: str, phrases: bool) -> tuple[str, ...]:
    """The parts whose units a sample gets."""
    return (*TAKEN[caption_filter], *(("phrase",) if phrases else ()))


def units(text: pa.Table, captions: pa.ChunkedArray | None = None) -> pa.Table:
    """All units of a shard's text table; with `captions`, also every further word of them as part `other`."""
    pieces = [_exploded(part, text[COLUMN[part]]) for part in COLUMN]
    pieces.append(_phrases(text))
    if captions is not None:
        pieces.append(_exploded("other", pc.split_pattern(letters_of(captions), " ")))
    table = pa.concat_tables(pieces).filter(pc.field("word") != "")
    # On one thread groups keep the order in which they first appear, and `first` is the first in it.
    grouped = table.group_by(["row", "word"], use_threads=False).aggregate([("part", "first")])
    return grouped.rename_columns(["row", "word", "part"])


def _exploded(part: str, lists: pa.ChunkedArray) -> pa.Table:
    return _labelled(part, pc.list_parent_indices(lists), pc.list_flatten(lists))


def _labelled(part: str, rows: pa.ChunkedArray, words: pa.ChunkedArray) -> pa.Table:
    return pa.table({"row": rows, "word": words, "part": pa.repeat(pa.scalar(part), len(words))})


def _phrases(text: pa.Table) -> pa.Table:
    """The noun phrases of two words of which the first is an adjective of the same caption: "red fish"."""
    rows, phrases = pc.list_parent_indices(text["noun_phrases"]), pc.list_flatten(text["noun_phrases"])
    short = pc.equal(pc.count_substring(phrases, " "), 1)
    rows, phrases = rows.filter(short), phrases.filter(short)
    first = pc.list_element(pc.split_pattern(phrases, " "), 0)
    adjectives = pc.list_flatten(text["adjectives"])
    here = _in_row(pc.list_parent_indices(text["adjectives"]), adjectives)
    described = pc.is_in(_in_row(rows, first), value_set=here)
    return _labelled("phrase", rows.filter(described), phrases.filter(described))


def _in_row(rows: pa.ChunkedArray, words: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows.cast(pa.string()), words, " ")


def words_per_row(table: pa.Table, num_rows: int, column: str = "word") -> pa.ListArray:
    """The words (or parts) of a table of units as one list per row, empty lists for rows that have none."""
    ordered = table.sort_by("row") if len(table) else table
    counts = np.bincount(ordered["row"].to_numpy(), minlength=num_rows)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    words = ordered[column].combine_chunks()
    return pa.ListArray.from_arrays(pa.array(offsets), words.cast(pa.string()))


def letters_of(captions: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lower-case words with single spaces between them; digits, signs and emoji are left out."""
    return pc.utf8_trim_whitespace(
        pc.replace_substring_regex(pc.utf8_lower(captions), r"[^\p{L}\p{M}]+", " ")
    )


def wording(captions: pa.ChunkedArray) -> pa.ChunkedArray:
    """What captions that are alike have in common: letters only, without articles."""
    return pc.replace_substring_regex(letters_of(captions), r"(^| )((a|an|the) )+", r"\1")


class WordingLimit:
    """Lets at most `limit` captions of one wording pass, the first ones. Remembers 12 bytes per wording."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.hashes = np.zeros(0, np.uint64)  # sorted
        self.counts = np.zeros(0, np.uint32)

    def passes(self, wordings: pa.ChunkedArray) -> np.ndarray:
        """(N,) bool for N normalised wordings, counted after those of earlier calls."""
        hashes = np.fromiter((_hash64(text) for text in wordings.to_pylist()), np.uint64, len(wordings))
        distinct, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        before = self._seen(distinct)
        order = np.argsort(inverse, kind="stable")
        rank = np.empty(len(hashes), np.int64)
        starts = np.cumsum(counts) - counts
        rank[order] = np.arange(len(hashes)) - np.repeat(starts, counts)
        self._add(distinct, counts)
        return before[inverse] + rank < self.limit

    def _seen(self, distinct: np.ndarray) -> np.ndarray:
        if not len(self.hashes):
            return np.zeros(len(distinct), np.int64)
        place = np.searchsorted(self.hashes, distinct).clip(max=len(self.hashes) - 1)
        return np.where(self.hashes[place] == distinct, self.counts[place], 0).astype(np.int64)

    def _add(self, distinct: np.ndarray, counts: np.ndarray) -> None:
        known = np.isin(distinct, self.hashes)
        self.counts[np.searchsorted(self.hashes, distinct[known])] += counts[known].astype(np.uint32)
        place = np.searchsorted(self.hashes, distinct[~known])
        self.hashes = np.insert(self.hashes, place, distinct[~known])
        self.counts = np.insert(self.counts, place, counts[~known].astype(np.uint32))


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
