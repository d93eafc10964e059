"""A shard as curating reads it: its captions, its hashes and the words that were extracted from it."""

import logging
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.records import BadSample
from ovseg_core.text import captions

logger = logging.getLogger(__name__)
CAPTION_CHARS = 10_000  # that wordings and `all_words` look at
LISTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Source:
    """Where one shard lies."""

    path: str  # without suffix
    text_path: str
    labelled: bool

    @property
    def name(self) -> str:
        return shards.name_of(self.path)

    def open(self) -> "OpenSource":
        """The shard to read from; let go of it before the next one."""
        return OpenSource(self.path, self.text_path, self.labelled)


class OpenSource(Source):
    """One shard whose tables are read when they are asked for, and then stay with it."""

    @cached_property
    def captions(self) -> pa.Table:
        """`key, caption`; empty when the shard cannot be read."""
        rows = [pa.table({"key": pa.array([], pa.string()), "caption": pa.array([], pa.string())})]
        try:
            for keys, texts, _ in captions.read(self.path, CAPTION_CHARS):
                rows.append(pa.table({"key": keys, "caption": texts}))
        except BadSample as error:
            logger.warning("%s", error)
        return pa.concat_tables(rows)

    @cached_property
    def hashes(self) -> pa.Table:
        """`key` and, where the shard's table has them, `sha256` and `phash`."""
        table = captions.table_of(self.path)
        if not len(self.captions) or not files.exists(table):
            return self.captions.select(["key"])
        with files.open_read(table) as handle:
            reader = shards.open_parquet(handle)
            return reader.read(columns=sorted({"key", "sha256", "phash"} & set(reader.schema_arrow.names)))

    @cached_property
    def text(self) -> pa.Table | None:
        """What the extract stage found, or None where that is not row for row with the shard."""
        if files.exists(self.text_path):
            table = shards.read_table(self.text_path)
            if table["key"].equals(self.captions["key"]):
                return table
        logger.warning("%s does not fit %s: run the stage extract again", self.text_path, self.path)
        return None

    @property
    def entities(self) -> pa.ChunkedArray:
        """Per row the entities of its caption."""
        if self.text is None:
            return pa.chunked_array([[[]] * len(self.captions)], LISTS)
        return self.text["entities"]
