"""From img2dataset's shard to a canonical one: the same images and captions have the same bytes.

img2dataset writes samples in the order in which they arrive and stamps the tar with the time. A canonical
shard is sorted, has no times, and its parquet tells in its metadata which rows failed and why.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import files, hashing, shards
from ovseg_core.records import BadSample
from ovseg_core.web.fetched import MEASURED, Fetched
from ovseg_core.web.ledger import reason_of

VERSION = 1  # of the bytes written here: shards of another version are made again
MAX_SHARD_SIZE = 10_000  # a key has four digits for the row
FAILURES = b"ovseg.failures"
# A further column of the list that has one of MEASURED's names, or one of these, becomes `given_{name}`.
OURS = ("key", "uid", "phash", "row", "jpg", "txt", "json")


@dataclass(frozen=True)
class Samples:
    """Images with what is known of them, before they have keys."""

    table: pa.Table  # `url, caption, uid`, further columns, MEASURED, `phash`
    images: list[bytes]

    def slice(self, start: int, stop: int | None = None) -> "Samples":
        """The samples from `start` to before `stop`."""
        stop = len(self.images) if stop is None else stop
        return Samples(self.table.slice(start, stop - start), self.images[start:stop])

    def __add__(self, other: "Samples") -> "Samples":
        return Samples(pa.concat_tables([self.table, other.table]), self.images + other.images)


def key_of(shard: int, position: int) -> str:
    """Name of a sample: shard 3, 17th row -> `000030016`."""
    return f"{shard:05d}{position:04d}"


def split_key(key: str) -> tuple[int, int]:
    """Shard and position of a key."""
    return int(key[:-4]), int(key[-4:])


def listed(listing: pa.Table, uid: pa.ChunkedArray) -> pa.Table:
    """The columns of the list that go into the shards: `url, caption, uid` and its own further ones."""
    taken = {*MEASURED, *OURS}
    names = [name for name in listing.column_names if name not in ("url", "caption")]
    further = listing.select(names).rename_columns([f"given_{n}" if n in taken else n for n in names])
    table = listing.select(["url", "caption"]).append_column("uid", uid)
    for name in further.column_names:
        table = table.append_column(name, further[name])
    return table


def judge(rows: pa.Table, fetched: Fetched) -> tuple[Samples, pa.Array]:
    """Separate what can be stored from what cannot.

    Args:
        rows: what `listed` gives, of the rows that were fetched.
        fetched: the results for the same rows, in the same order.

    Returns:
        The samples, in order, and per row a reason, null where it has a sample.
    """
    results = fetched.results
    numbers, messages = results["row"].to_pylist(), results["error_message"].to_pylist()
    found = [_look(fetched.images.get(n), message) for n, message in zip(numbers, messages, strict=True)]
    reasons = pa.array([reason for _, reason in found], pa.string())
    for name in MEASURED:
        rows = rows.append_column(name, results[name])
    rows = rows.append_column("phash", pa.array([phash for phash, _ in found], hashing.PHASH_TYPE))
    images = [fetched.images[n] for n, (_, reason) in zip(numbers, found, strict=True) if reason is None]
    return Samples(rows.filter(pc.is_null(reasons)), images), reasons


def _look(image: bytes | None, message: str | None) -> tuple[int | None, str | None]:
    """The perceptual hash of an image that decodes to its end, or the reason why there is none."""
    if image is None:
        return None, reason_of(message)
    try:
        return hashing.phash(shards.decode_image(image)), None
    except BadSample as error:
        return None, reason_of(error.reason)


def write_shard(
    folder: Path | str,
    number: int,
    samples: Samples,
    positions: np.ndarray,
    reasons: pa.Array,
    fingerprint: str,
) -> None:
    """Write the tar, then the parquet: its stamp says that the shard is whole.

    Args:
        positions: of the samples in the shard, ascending; they make the keys.
        reasons: per row of the shard, null where it has a sample.
        fingerprint: of what the shard was made from.

    Raises:
        OSError: naming the file, which then does not exist, when the disk is full.
    """
    stem = files.join(folder, f"{number:05d}")
    keys = pa.array([key_of(number, position) for position in positions.tolist()], pa.string())
    table = samples.table.add_column(0, "key", keys).combine_chunks()
    members = (
        {"__key__": row["key"], "jpg": image, "txt": row["caption"].encode(), "json": _json(row)}
        for row, image in zip(table.to_pylist(), samples.images, strict=True)
    )
    shards.write_tar(f"{stem}.tar", members)
    failures = {str(i): reason for i, reason in enumerate(reasons.to_pylist()) if reason}
    about = {FAILURES: json.dumps(failures).encode()}
    shards.write_table(f"{stem}.parquet", table.replace_schema_metadata(about), fingerprint)


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=str).encode()


def is_done(folder: Path | str, number: int, fingerprint: str) -> bool:
    """Whether the shard is there and was made from the same rows with the same settings."""
    stem = files.join(folder, f"{number:05d}")
    return shards.stamp_of(f"{stem}.parquet") == fingerprint and files.exists(f"{stem}.tar")


def read_outcome(folder: Path | str, number: int, num_rows: int) -> tuple[pa.Array, pa.Array]:
    """Per row of a written shard the reason, or null, and the key, or null."""
    keys: list[str | None] = [None] * num_rows
    reasons: list[str | None] = [None] * num_rows
    table = shards.read_table(files.join(folder, f"{number:05d}.parquet"), ["key"])
    for key in table["key"].to_pylist():
        keys[split_key(key)[1]] = key
    for position, reason in json.loads(table.schema.metadata[FAILURES]).items():
        reasons[int(position)] = reason
    return pa.array(reasons, pa.string()), pa.array(keys, pa.string())


def read_names(folder: Path | str, number: int) -> pa.Table:
    """`key, sha256` of the samples of a written shard."""
    return shards.read_table(files.join(folder, f"{number:05d}.parquet"), ["key", "sha256"])


class Packer:
    """Fills shards one after another with the samples that it is given, for rows that a retry recovers."""

    def __init__(self, folder: Path | str, number: int, size: int, fingerprint: str) -> None:
        self.folder, self.first, self.number, self.size = folder, number, number, size
        self.fingerprint, self.count = fingerprint, 0
        self.pending: Samples | None = None

    def add(self, samples: Samples, reasons: pa.Array) -> pa.Array:
        """Take the samples of some rows in; returns the key of each row, null where a reason is given."""
        keys: list[str | None] = []
        for reason in reasons.to_pylist():
            shard, position = divmod(self.count, self.size)
            keys.append(None if reason else key_of(self.first + shard, position))
            self.count += reason is None
        self.pending = samples if self.pending is None else self.pending + samples
        while len(self.pending.images) >= self.size:
            self._write(self.size)
        return pa.array(keys, pa.string())

    def close(self) -> None:
        """Write what is left."""
        if self.pending and self.pending.images:
            self._write(len(self.pending.images))

    def _write(self, count: int) -> None:
        assert self.pending is not None
        full, nothing = self.pending.slice(0, count), pa.nulls(count, pa.string())
        write_shard(self.folder, self.number, full, np.arange(count), nothing, self.fingerprint)
        self.pending, self.number = self.pending.slice(count), self.number + 1
