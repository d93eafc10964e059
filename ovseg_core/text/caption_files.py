"""Captions from a file of any usual form, row by row: what a reader cannot make sense of is an empty
caption.
"""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.records import BadSample
from ovseg_core.text import captions

COLUMNS = (
    "caption",
    "text",
    "alt_text",
    "alt",
    "title",
    "raw_caption",
)  # as headings, first one that is there
ROWS = 2048  # that are handed on together,
CHARACTERS = 8_000_000  # unless they are longer than this
URL = re.compile(r"https?://")
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # first bytes
SEPARATORS = (";", "\t", "|", ",")  # that stand between columns in files of the wrong name
FORMATS = {
    **{".txt": "txt", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"},
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"},
}


def read(path: str, column: str | None, counts: Counter[str]) -> Iterator[list[str]]:
    """Lists of up to ROWS captions, one per row of the file, in its order.

    Args:
        path: .txt (a caption a line), .csv, .tsv, .jsonl, .parquet, or a folder of shards.
        column: where the captions are; None looks for one of COLUMNS. A csv or tsv file without such a
            heading has none, and its captions are in the first column that begins with no URL (CC3M, CC12M).
        counts: `bad_row` is added to: rows without that column, and lines that are no JSON.

    Raises:
        ValueError: for a file that is not there or of another kind or encoding, a folder without shards, or a
            table without the column.
    """
    if not files.exists(path):
        raise ValueError(f"{path} is not there")
    if Path(path).is_dir() or files.listing(path, ".tar"):
        if not shards.list_shards(path):
            raise ValueError(f"{path} is a folder without shards (*.tar); name one of its files")
        yield from _from_shards(path, counts)
        return
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path} has to be a folder of shards or end in {', '.join(FORMATS)}")
    form = FORMATS[suffix]
    if form == "parquet":
        yield from _from_parquet(path, column)
        return
    with files.open_read(path) as handle:
        if handle.read(2) in UTF16:
            raise ValueError(f"{path} is in UTF-16; it has to be text in UTF-8")
        handle.seek(0)
        lines = (line.decode("utf-8", "replace") for line in handle)
        lines = (line.removeprefix("\ufeff") if i == 0 else line for i, line in enumerate(lines))
        rows = {"txt": _from_lines, "csv": _from_table, "tsv": _from_table, "jsonl": _from_json}[form]
        yield from _batched(rows(lines, column, counts, form))


def _from_lines(lines: Iterator[str], column: str | None, counts: Counter[str], form: str) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in lines)


def _from_table(lines: Iterator[str], column: str | None, counts: Counter[str], form: str) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)
    if form == "tsv":  # as CC3M and img2dataset write it: a quote is a quote
        rows: Iterator[list[str]] = (line.rstrip("\r\n").split("\t") for line in lines)
    else:
        rows = csv.reader(lines)
    first = next(rows, None)
    if first is None:
        return
    at, is_heading = _place(first, column)
    for row in rows if is_heading else chain([first], rows):
        counts["bad_row"] += len(row) <= at
        yield row[at] if len(row) > at else ""


def _place(first: list[str], column: str | None) -> tuple[int, bool]:
    """Where the captions are, going by the first row, and whether that is a heading."""
    wanted = {column.lower(): 0} if column else {name: rank for rank, name in enumerate(COLUMNS)}

    def named(cells: list[str]) -> list[tuple[int, int]]:
        names = [cell.strip().lower() for cell in cells]
        return sorted((wanted[name], place) for place, name in enumerate(names) if name in wanted)

    if found := named(first):
        return found[0][1], True
    if other := next((sep for sep in SEPARATORS if named(sep.join(first).split(sep))), None):
        raise ValueError(
            f"columns are separated by {other!r}; .csv has commas and .tsv has tabs between them"
        )
    if column:
        raise ValueError(f"there is no column {column!r}; the file has {', '.join(first)}")
    return next((place for place, cell in enumerate(first) if not URL.match(cell)), 0), False


def _from_json(lines: Iterator[str], column: str | None, counts: Counter[str], form: str) -> Iterator[str]:
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        names = (column,) if column else COLUMNS
        found = next((row[name] for name in names if name in row), None) if isinstance(row, dict) else row
        counts["bad_row"] += not isinstance(found, str)
        yield found if isinstance(found, str) else ""


def _from_parquet(path: str, column: str | None) -> Iterator[list[str]]:
    with files.open_read(path) as handle:
        reader = shards.open_parquet(handle)
        names = reader.schema_arrow.names
        found = next((name for name in ((column,) if column else COLUMNS) if name in names), None)
        if found is None:
            raise ValueError(
                f"{path} has no column {column or ' or '.join(COLUMNS)}; it has {', '.join(names)}"
            )
        for batch in reader.iter_batches(ROWS, columns=[found]):
            yield [text or "" for text in batch.column(0).cast(pa.string()).to_pylist()]


def _from_shards(folder: str, counts: Counter[str]) -> Iterator[list[str]]:
    for shard in shards.list_shards(folder):
        try:
            for _, texts, _ in captions.read(shard, sys.maxsize >> 33):
                yield texts.to_pylist()
        except BadSample as error:
            counts[error.reason] += 1


def _batched(texts: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == ROWS or characters > CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
