"""Noun phrases as concepts, with the number of captions that hold each: what negatives are drawn from."""

import pyarrow as pa
import pyarrow.compute as pc

MOST = 2_000_000  # distinct phrases in memory, about 0.2 GB
SCHEMA = pa.schema([("concept", pa.string()), ("documents", pa.int64())])


class Concepts:
    """Counts phrases shard by shard; memory stays bounded (lossy counting, Manku and Motwani, VLDB 2002).

    When more than MOST phrases have come together, each count is lowered by one and those at zero go; `lost`
    says how often, and no count is too low by more than that.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most, self.lost = most, 0
        self.table = SCHEMA.empty_table()

    def add(self, phrases: pa.ChunkedArray) -> None:
        """Count the phrases of one shard: a list per caption, each phrase once in it."""
        found = pc.value_counts(pc.list_flatten(phrases))
        values, counts = found.field("values"), found.field("counts")
        new = pa.table({"concept": values, "documents": counts}).cast(SCHEMA)
        rows = pa.concat_tables([self.table, new]).group_by("concept", use_threads=False)
        self.table = rows.aggregate([("documents", "sum")]).rename_columns(SCHEMA.names)
        while len(self.table) > self.most:
            self.lost += 1
            fewer = pc.subtract(self.table["documents"], 1)
            self.table = self.table.set_column(1, "documents", fewer).filter(pc.greater(fewer, 0))

    def frequent(self, min_documents: int) -> pa.Table:
        """`concept, documents`, most frequent first, those in at least `min_documents` captions."""
        enough = self.table.filter(pc.greater_equal(self.table["documents"], min_documents))
        return enough.sort_by([("documents", "descending"), ("concept", "ascending")])
