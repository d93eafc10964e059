"""Which samples show an entity, and with which others each is paired: made range by range of the entities."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ovseg_core import files, shards

PAIRS_AT_ONCE = 1_000_000  # (entity, key) in memory, about 50 MB
PAGE = 1 << 16  # bytes of a parquet page: the writer holds one per column, and at 1 MB that is felt
KEYS = pa.list_(pa.string())
INDEX = pa.schema([("entity", pa.string()), ("documents", pa.int64()), ("keys", KEYS)])
PARTNERS = pa.schema(
    [("entity", pa.string()), ("key", pa.string()), ("share", pa.float32()), ("partners", KEYS)]
)
EntitiesOf = Callable[[str], pa.ChunkedArray]


class Pairs(NamedTuple):
    """N times that a sample shows an entity."""

    places: np.ndarray  # (N,) of the entity in a range of them
    keys: pa.Array  # N strings
    shares: np.ndarray  # (N,) float32: how often the sample is to be drawn for this one of its entities


def write(
    index: Path | str,
    partners: Path | str,
    samples: Path | str,
    counts: pa.Table,
    entities_of: EntitiesOf,
    num_partners: int,
    seed: int,
) -> None:
    """Write the index, sorted by entity, keys in the order of `samples.parquet`, and the partners.

    Args:
        samples: `samples.parquet`, a row group per shard.
        counts: `word, documents` of the entities to index.
        entities_of: the column `entities` of a shard's text table, by the shard's name.
        num_partners: of a sample for each of its entities; fewer where the entity has fewer samples.
        seed: draws the partners.
    """
    counts = counts.sort_by("word")
    with _writer(index, INDEX) as to_index, _writer(partners, PARTNERS) as to_partners:
        for start, wanted in _ranges(counts):
            found = [_pairs(group, counts, start, len(wanted), entities_of) for group in _groups(samples)]
            pairs = Pairs(
                np.concatenate([pairs.places for pairs in found]),
                pa.concat_arrays([pairs.keys for pairs in found]),
                np.concatenate([pairs.shares for pairs in found]),
            )
            to_index.write_table(_index(wanted, pairs))
            to_partners.write_table(_partners(wanted, pairs, num_partners, seed))


@contextmanager
def _writer(path: Path | str, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    # Keys hardly repeat: a dictionary of them would only take memory.
    with (
        files.atomic(path) as handle,
        pq.ParquetWriter(handle, schema, use_dictionary=False, data_page_size=PAGE) as writer,
    ):
        yield writer


def paired(entity: str, keys: pa.Array, number: int, seed: int) -> pa.Table:
    """`entity, key, partners` for the N samples that show an entity.

    The keys stand in a ring in the order of a hash of seed, entity and key, and the partners of a sample are
    the next `number` in it. So every sample is the partner of as many others as it has partners itself, and
    who it is depends on nothing but seed and keys: not on shards, workers or the order of the corpus.
    """
    names = keys.to_pylist()
    salt = hashlib.blake2b(f"{seed} {entity}".encode(), digest_size=8).hexdigest()
    hashes = pd.util.hash_array(np.array(names, object), hash_key=salt, categorize=False)
    ring = np.lexsort((np.array(names, object), hashes))
    place = np.empty(len(ring), np.int64)
    place[ring] = np.arange(len(ring))
    steps = np.arange(1, min(number, len(ring) - 1) + 1)
    others = ring[(place[:, None] + steps) % len(ring)]  # (N, partners)
    offsets = np.arange(len(ring) + 1, dtype=np.int32) * len(steps)
    partners = pa.ListArray.from_arrays(pa.array(offsets), keys.take(pa.array(others.ravel())))
    return pa.table({"entity": pa.repeat(pa.scalar(entity), len(keys)), "key": keys, "partners": partners})


def _ranges(counts: pa.Table) -> Iterator[tuple[int, pa.Array]]:
    """The entities in runs that have about PAIRS_AT_ONCE keys together, each with its place among all."""
    run = pc.divide(pc.cumulative_sum(counts["documents"]), PAIRS_AT_ONCE)
    start = 0
    for number in pc.unique(run):
        words = counts["word"].filter(pc.equal(run, number)).combine_chunks()
        yield start, words
        start += len(words)


def _groups(samples: Path | str) -> Iterator[pa.Table]:
    with files.open_read(samples) as handle:
        reader = shards.open_parquet(handle)
        for number in range(reader.num_row_groups):
            yield reader.read_row_group(number, columns=["key", "shard", "row"])


def _pairs(group: pa.Table, counts: pa.Table, start: int, number: int, entities_of: EntitiesOf) -> Pairs:
    """Which sample of one shard shows which of `number` entities, from the place `start` among all."""
    lists = entities_of(group["shard"][0].as_py()).take(group["row"])
    places = pc.index_in(pc.list_flatten(lists), value_set=counts["word"].combine_chunks())
    known = pc.is_valid(places).to_numpy()
    rows = pc.list_parent_indices(lists).to_numpy()[known]
    places = pc.drop_null(places).to_numpy().astype(np.int64)
    # A sample of a dog and a harp is drawn for the harp more often: else the dogs would be all that is seen.
    rarity = 1 / counts["documents"].to_numpy()[places]
    shares = rarity / np.bincount(rows, rarity, minlength=len(group))[rows]
    here = (places >= start) & (places < start + number)
    keys = group["key"].take(pa.array(rows[here])).combine_chunks()
    return Pairs(places[here] - start, keys, shares[here].astype(np.float32))


def _partners(wanted: pa.Array, pairs: Pairs, number: int, seed: int) -> pa.Table:
    tables = [PARTNERS.empty_table()]
    for place, name in enumerate(wanted.to_pylist()):
        shown = np.flatnonzero(pairs.places == place)
        table = paired(name, pairs.keys.take(pa.array(shown)), number, seed)
        shares = pa.array(pairs.shares[shown], pa.float32())
        tables.append(table.add_column(2, PARTNERS.field("share"), shares).cast(PARTNERS))
    return pa.concat_tables(tables)


def _index(wanted: pa.Array, pairs: Pairs) -> pa.Table:
    documents = np.bincount(pairs.places, minlength=len(wanted))
    offsets = pa.array(np.concatenate([[0], np.cumsum(documents)]), pa.int32())
    ordered = pairs.keys.take(pa.array(np.argsort(pairs.places, kind="stable")))
    keys = pa.ListArray.from_arrays(offsets, ordered)
    return pa.table({"entity": wanted, "documents": documents, "keys": keys}, schema=INDEX)
