"""Which samples show an entity: an index from entity to keys, made range by range."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ovseg_core import files

PAIRS_AT_ONCE = 2_000_000  # (entity, key) in memory, about 60 MB
SCHEMA = pa.schema([("entity", pa.string()), ("keys", pa.list_(pa.string()))])


def write(
    path: Path | str, samples: Path | str, counts: pa.Table, entities_of: Callable[[str], pa.ChunkedArray]
) -> None:
    """Write `entity, keys` sorted by entity, keys in the order of `samples.parquet`.

    Args:
        samples: `samples.parquet`, a row group per shard.
        counts: `word, documents` of the entities to index.
        entities_of: the column `entities` of a shard's text table, by the shard's name.
    """
    with files.atomic(path) as handle, pq.ParquetWriter(handle, SCHEMA) as writer:
        for wanted in _ranges(counts.sort_by("word")):
            pairs = [_pairs(group, wanted, entities_of) for group in _groups(samples)]
            if pairs:
                writer.write_table(_index(pa.concat_tables(pairs)))


def _ranges(counts: pa.Table) -> Iterator[pa.Array]:
    """The entities in runs that have about PAIRS_AT_ONCE keys together."""
    run = pc.divide(pc.cumulative_sum(counts["documents"]), PAIRS_AT_ONCE)
    for number in pc.unique(run):
        yield counts["word"].filter(pc.equal(run, number)).combine_chunks()


def _groups(samples: Path | str) -> Iterator[pa.Table]:
    with files.open_read(samples) as handle:
        reader = pq.ParquetFile(handle)
        for number in range(reader.num_row_groups):
            yield reader.read_row_group(number, columns=["key", "shard", "row"])


def _pairs(group: pa.Table, wanted: pa.Array, entities_of: Callable[[str], pa.ChunkedArray]) -> pa.Table:
    lists = entities_of(group["shard"][0].as_py()).take(group["row"])
    names = pc.list_flatten(lists)
    keys = group["key"].take(pc.list_parent_indices(lists))
    table = pa.table({"entity": names, "key": keys})
    return table.filter(pc.is_in(names, value_set=wanted))


def _index(pairs: pa.Table) -> pa.Table:
    grouped = pairs.sort_by("entity").group_by("entity", use_threads=False).aggregate([("key", "list")])
    return grouped.rename_columns(SCHEMA.names).cast(SCHEMA)
