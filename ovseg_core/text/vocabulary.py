"""Document counts of words, merged over shards, and which words are kept."""

import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core.text.filters import PARTS

MERGE_ROWS = 1_000_000  # counts are added up when this many rows have come together
COUNTS = pa.schema([("word", pa.string()), ("part", pa.string()), ("documents", pa.int64())])
SCHEMA = pa.schema([*COUNTS, ("kept", pa.bool_()), ("reason", pa.string())])


class Vocabulary:
    """In how many captions each word occurs as each part of speech. Grows with words, not with captions."""

    def __init__(self) -> None:
        self.tables = [COUNTS.empty_table()]
        self.waiting = 0

    def add(self, units: pa.Table) -> None:
        """Count the units of one shard (see `filters`), each of which stands once in its row."""
        counted = units.group_by(["word", "part"], use_threads=False).aggregate([([], "count_all")])
        self.tables.append(counted.rename_columns(COUNTS.names).cast(COUNTS))
        self.waiting += len(counted)
        if self.waiting > MERGE_ROWS:
            self._merge()

    def _merge(self) -> pa.Table:
        rows = pa.concat_tables(self.tables).group_by(["word", "part"], use_threads=False)
        self.tables = [rows.aggregate([("documents", "sum")]).rename_columns(COUNTS.names)]
        self.waiting = 0
        return self.tables[0]

    def decide(self, taken: tuple[str, ...], min_documents: int) -> pa.Table:
        """One row per word, most frequent first: `word, part, documents, kept, reason`.

        A word counts by all its parts that the caption filter takes, and shows the one it mostly is. One of
        other parts alone is listed as dropped for `filtered_part`, a rare one for `too_rare`.
        """
        counts = self._merge()
        is_taken = pc.is_in(counts["part"], value_set=pa.array(taken))
        words = _per_word(counts.filter(is_taken))
        enough = pc.greater_equal(words["documents"], min_documents)
        others = _per_word(counts.filter(pc.invert(is_taken)))
        others = others.filter(pc.invert(pc.is_in(others["word"], value_set=words["word"])))
        table = pa.concat_tables(
            [
                _with(words, enough, pc.if_else(enough, "", "too_rare")),
                _with(
                    others,
                    pa.repeat(pa.scalar(False), len(others)),
                    pa.repeat(pa.scalar("filtered_part"), len(others)),
                ),
            ]
        )
        return table.sort_by([("documents", "descending"), ("word", "ascending")])


def _per_word(counts: pa.Table) -> pa.Table:
    """Sum over parts; the commonest part, of two that are equal the first of PARTS, stands for all."""
    rank = pc.index_in(counts["part"], value_set=pa.array(PARTS))
    ordered = counts.append_column("rank", rank).sort_by(
        [("word", "ascending"), ("documents", "descending"), ("rank", "ascending")]
    )
    grouped = ordered.group_by("word", use_threads=False).aggregate([("part", "first"), ("documents", "sum")])
    return grouped.rename_columns(COUNTS.names)


def _with(words: pa.Table, kept: pa.ChunkedArray, reason: pa.ChunkedArray) -> pa.Table:
    return words.append_column("kept", kept).append_column("reason", reason).cast(SCHEMA)
