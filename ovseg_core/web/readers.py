"""URL lists of every form, read in batches: a file of millions of rows takes no more memory than a small one.

A reader is `(path, counts) -> batches`; a batch is a list of rows, each a dict with `url`, `caption` and
whatever else the file has. What cannot be read as a row is counted by reason in `counts`.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import IO, Any

import fsspec
import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.params import ParamError
from ovseg_core.web import caption_sets

BATCH = 10_000
MAX_FIELD = 1 << 24  # characters; one stray quote would otherwise read the rest of a file as one field
URL_COLUMNS = ("url", "image_url", "img_url", "link")
CAPTION_COLUMNS = ("caption", "text", "alt_text", "alt", "description", "title")
Row = dict[str, Any]
Reader = Callable[[str, Counter[str]], Iterator[list[Row]]]


def batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists of up to BATCH."""
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def open_text(path: str) -> IO[str]:
    """A text file, also compressed (.gz, .xz, ...); bytes that are no UTF-8 become U+FFFD."""
    options = {"encoding": "utf-8-sig", "errors": "replace", "newline": "", "compression": "infer"}
    return fsspec.open(path, "rt", **options).open()


def columns_of(path: str, names: list[str]) -> dict[str, str]:
    """`{name in the file: our name}` for the URL and the caption, whatever their case.

    Raises:
        ParamError: which says what the file has, when one of the two is missing.
    """
    lower = {name.strip().lower(): name for name in reversed(names)}
    found = {}
    for ours, accepted in (("url", URL_COLUMNS), ("caption", CAPTION_COLUMNS)):
        theirs = next((lower[name] for name in accepted if name in lower), None)
        if theirs is None:
            raise ParamError(
                f"web.urls: {path} has the columns {', '.join(map(repr, names)) or 'none'}, and none of them "
                f"holds the {ours}; accepted names: {', '.join(accepted)}"
            )
        found[theirs] = ours
    return found


def read_parquet(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    """Parquet with a URL and a caption column; a caption column of lists holds several captions."""
    with files.open_read(path) as handle:
        try:
            table = shards.open_parquet(handle)
        except pa.ArrowInvalid as error:
            raise ParamError(f"web.urls: {path} cannot be read as parquet: {error}") from error
        ours = columns_of(path, table.schema_arrow.names)
        several = shards.STAMP in (table.schema_arrow.metadata or {})  # our own: a line is a caption
        for batch in table.iter_batches(BATCH):
            rows = batch.rename_columns([ours.get(name, name) for name in batch.schema.names]).to_pylist()
            if several:
                rows = [{**row, "caption": (row["caption"] or "").split("\n")} for row in rows]
            yield rows


def _read_table(path: str, counts: Counter[str], **dialect: Any) -> Iterator[Row]:
    csv.field_size_limit(MAX_FIELD)
    with open_text(path) as handle:
        lines = csv.reader(handle, **dialect)
        header = next(lines, [])
        ours = columns_of(path, header)
        names = [ours.get(name, name) for name in header]
        try:
            for fields in lines:
                if len(fields) == len(names):
                    yield dict(zip(names, fields, strict=True))
                elif fields:
                    counts["malformed_row"] += 1
        except csv.Error as error:
            raise ParamError(f"web.urls: {path}, line {lines.line_num}: {error}") from error


def read_csv(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    """CSV with a header; fields may be quoted and hold line ends."""
    yield from batched(_read_table(path, counts))


def read_tsv(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    """Tab-separated with a header; quotes are ordinary characters."""
    yield from batched(_read_table(path, counts, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_cc3m(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    """Conceptual Captions, which has no header: `caption TAB url` in CC3M, `url TAB caption` in CC12M."""

    def rows(lines: Iterable[str]) -> Iterator[Row]:
        for line in lines:
            first, tab, second = line.rstrip("\r\n").partition("\t")
            if tab and _is_url(first):
                yield {"url": first, "caption": second}
            elif tab and _is_url(second):
                yield {"url": second, "caption": first}
            elif first.strip():
                counts["malformed_row"] += 1

    with open_text(path) as handle:
        yield from batched(rows(handle))


def read_jsonl(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    """One JSON object per line; a list of captions is several captions."""
    with open_text(path) as handle:
        objects = json_lines(handle, counts)
        first = list(islice(objects, 1))
        ours = columns_of(path, sorted(first[0]) if first else [])
        rows = ({ours.get(name, name): value for name, value in row.items()} for row in chain(first, objects))
        yield from batched(rows)


def json_lines(lines: Iterable[str], counts: Counter[str]) -> Iterator[Row]:
    """The JSON objects of a file; a line that is none is counted as `malformed_line`."""
    for line in lines:
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield value
            else:
                counts["malformed_line"] += 1


def _read_localized_narratives(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    with open_text(path) as handle:
        yield from batched(caption_sets.localized_narratives(path, json_lines(handle, counts), counts))


def _read_coco(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    yield from batched(caption_sets.coco(path, _read_json(path), counts))


def _read_redcaps(path: str, counts: Counter[str]) -> Iterator[list[Row]]:
    yield from batched(caption_sets.redcaps(path, _read_json(path), counts))


FORMATS: dict[str, Reader] = {
    "parquet": read_parquet,
    "tsv": read_tsv,
    "csv": read_csv,
    "jsonl": read_jsonl,
    "cc3m": read_cc3m,
    "coco": _read_coco,
    "redcaps": _read_redcaps,
    "localized_narratives": _read_localized_narratives,
}


def detect(path: str) -> str:
    """The format of a file, from its name and first lines.

    Raises:
        ParamError: when neither tells.
    """
    name = path.lower().removesuffix(".gz").removesuffix(".xz").removesuffix(".bz2")
    if name.endswith((".parquet", ".csv")):
        return name.rpartition(".")[2]
    if name.endswith((".tsv", ".txt")):
        with open_text(path) as handle:
            header = next(iter(handle), "")
        return "cc3m" if any(_is_url(field) for field in header.rstrip("\r\n").split("\t")) else "tsv"
    if name.endswith((".jsonl", ".ndjson")):
        with open_text(path) as handle:
            first = next(json_lines(handle, Counter()), {})
        return "localized_narratives" if {"dataset_id", "image_id"} <= first.keys() else "jsonl"
    if name.endswith(".json"):
        return "coco" if "images" in _read_json(path) else "redcaps"
    raise ParamError(
        f"web.urls is {path!r}, and its name does not tell its format; set web.format to one of "
        f"{', '.join(FORMATS)}"
    )


def _read_json(path: str) -> dict[str, Any]:
    with open_text(path) as handle:
        try:
            content = json.load(handle)
        except ValueError as error:
            raise ParamError(f"web.urls: {path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        found = type(content).__name__
        raise ParamError(f"web.urls: {path} holds a JSON {found}; COCO and RedCaps hold an object")
    return content


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))
