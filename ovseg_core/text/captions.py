"""The captions of a shard, from its table or, where it has none, its tar; and how a caption is cleaned."""

import re
from collections.abc import Iterator
from html import unescape  # alt texts come with &amp; and the like

import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import files, shards
from ovseg_core.records import BadSample

BATCH = 512  # rows at a time: captions of 1 MB exist
# Control characters, and marks that only steer how text is laid out (zero-width and right-to-left).
INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufffd]+")
MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")  # tags of alt texts, and CC12M's <PERSON>


def table_of(shard: str) -> str:
    """The parquet table beside a shard's tar."""
    return f"{shard}.parquet"


def source_of(shard: str) -> str:
    """The file that a shard's captions are read from."""
    return table_of(shard) if files.exists(table_of(shard)) else f"{shard}.tar"


def read(shard: str, longest: int) -> Iterator[tuple[pa.Array, pa.Array, int]]:
    """Batches of (keys, captions, how many of them were cut at `longest` characters), in the shard's order.

    Raises:
        BadSample: `unreadable_shard` for a broken table; `truncated_shard` at the end of a tar that was cut.
    """
    source = source_of(shard)
    batches = _from_table(source) if source.endswith(".parquet") else _from_tar(source)
    try:
        for keys, captions in batches:
            too_long = pc.sum(pc.greater(pc.utf8_length(captions), longest)).as_py()
            yield keys, pc.utf8_slice_codeunits(captions, 0, longest), too_long or 0
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise BadSample("unreadable_shard", f"{source}: {error}") from error


def _from_table(path: str) -> Iterator[tuple[pa.Array, pa.Array]]:
    with files.open_read(path) as handle:
        for batch in shards.open_parquet(handle).iter_batches(BATCH, columns=["key", "caption"]):
            yield batch.column("key"), pc.fill_null(batch.column("caption").cast(pa.string()), "")


def _from_tar(path: str) -> Iterator[tuple[pa.Array, pa.Array]]:
    # One row at a time: of a tar that was cut, all rows before the cut are to come out.
    for sample in shards.read_tar(path):
        text = sample.get("txt", b"").decode("utf-8", "replace")
        yield pa.array([sample["__key__"]]), pa.array([text])


def lines(caption: str) -> list[str]:
    """The lines of a caption, each of which may be a caption of its own, without what cannot be seen."""
    texts = (MARKUP.sub(" ", INVISIBLE.sub(" ", unescape(line))) for line in caption.splitlines())
    return [cleaned for text in texts if (cleaned := " ".join(text.split()))]
