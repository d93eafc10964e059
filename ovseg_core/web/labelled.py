"""The labelled set: images with human segments, written as shards `L0000.tar` with `L0000.parquet`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from ovseg_core import files, hashing, shards
from ovseg_core.records import Segments

SHARD_SIZE = 1000
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("uid", pa.string()),
        ("caption", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("phash", hashing.PHASH_TYPE),
        ("licence", pa.string()),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One labelled image."""

    id: str  # of the image in its source
    jpeg: bytes
    segments: Segments
    caption: str  # "" where there is none
    licence: str
    source: str


def write_labelled(folder: Path | str, images: Iterable[Labelled], shard_size: int = SHARD_SIZE) -> int:
    """Write labelled shards, one shard in memory at a time. Returns how many images.

    Shards that an earlier, larger run left behind go. Raises BadSample when an image does not decode.
    """
    for suffix in (".tar", ".parquet"):
        for old in files.listing(folder, suffix):
            files.remove(old)
    total = 0
    for number, chunk in enumerate(_chunks(images, shard_size)):
        _write_shard(folder, f"L{number:04d}", chunk)
        total += len(chunk)
    return total


def _chunks(images: Iterable[Labelled], size: int) -> Iterator[list[Labelled]]:
    iterator = iter(images)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _write_shard(folder: Path | str, shard: str, images: list[Labelled]) -> None:
    samples, rows = [], []
    for row, image in enumerate(images):
        key = f"{shard}{row:04d}"
        samples.append(
            {
                "__key__": key,
                "jpg": image.jpeg,
                "txt": image.caption.encode(),
                **shards.encode_segments(image.segments),
            }
        )
        rows.append({"key": key, **_describe(image)})
    shards.write_table(files.join(folder, f"{shard}.parquet"), pa.Table.from_pylist(rows, SCHEMA))
    shards.write_tar(files.join(folder, f"{shard}.tar"), samples)


def _describe(image: Labelled) -> dict:
    pixels = shards.decode_image(image.jpeg)
    return {
        "uid": hashing.uid(f"labelled:{image.source}/{image.id}", image.caption),
        "caption": image.caption,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "sha256": hashing.sha256(image.jpeg),
        "phash": hashing.phash(pixels),
        "licence": image.licence,
        "source": image.source,
    }
