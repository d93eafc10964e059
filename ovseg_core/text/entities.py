"""Which samples show an entity: an index from entity to keys, made range by range."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ovseg_core import files, shards

PAIRS_AT_ONCE = 1_000_000  # (entity, key) in memory, about 50 MB
PAGE = 1 << 16  # bytes of a parquet page: the writer holds one per column, and at 1 MB that is felt
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
    # Keys hardly repeat: a dictionary of them would only take memory.
    with (
        files.atomic(path) as handle,
        pq.ParquetWriter(handle, SCHEMA, use_dictionary=False, data_page_size=PAGE) as writer,
    ):
        for wanted in _ranges(counts.sort_by("word")):
            pairs = [_pairs(group, wanted, entities_of) for group in _groups(samples)]
            writer.write_table(_index(wanted, pairs))


def _ranges(counts: pa.Table) -> Iterator[pa.Array]:
    """The entities in runs that have about PAIRS_AT_ONCE keys together."""
    run = pc.divide(pc.cumulative_sum(counts["documents"]), PAIRS_AT_ONCE)
    for number in pc.unique(run):
        yield counts["word"].filter(pc.equal(run, number)).combine_chunks()


def _groups(samples: Path | str) -> Iterator[pa.Table]:
    with files.open_read(samples) as handle:
        reader = shards.open_parquet(handle)
        for number in range(reader.num_row_groups):
            yield reader.read_row_group(number, columns=["key", "shard", "row"])


def _pairs(
    group: pa.Table, wanted: pa.Array, entities_of: Callable[[str], pa.ChunkedArray]
) -> tuple[np.ndarray, pa.Array]:
    """(N,) places in `wanted` and N keys: which sample of one shard shows which entity."""
    lists = entities_of(group["shard"][0].as_py()).take(group["row"])
    places = pc.index_in(pc.list_flatten(lists), value_set=wanted)
    found = pc.is_valid(places)
    keys = group["key"].take(pc.list_parent_indices(lists).filter(found))
    return places.filter(found).to_numpy(), keys.combine_chunks()


def _index(wanted: pa.Array, pairs: list[tuple[np.ndarray, pa.Array]]) -> pa.Table:
    places = np.concatenate([place for place, _ in pairs])
    keys = pa.concat_arrays([key for _, key in pairs])
    ends = np.cumsum(np.bincount(places, minlength=len(wanted)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    ordered = keys.take(pa.array(np.argsort(places, kind="stable")))
    return pa.table({"entity": wanted, "keys": pa.ListArray.from_arrays(offsets, ordered)}, schema=SCHEMA)
