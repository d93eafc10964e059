"""From a URL list of any form to `urls.parquet`: cleaned, each row once, every drop counted by reason."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ovseg_core import files, shards
from ovseg_core.params import ParamError
from ovseg_core.web.distinct import Distinct
from ovseg_core.web.readers import FORMATS, Row, detect

MAX_CAPTION = 10_000  # characters; the rest of a longer one is cut off and counted
MAX_URL = 8192  # characters; servers refuse longer ones
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")  # line ends too: in urls.parquet a line is a caption
SURROGATE = re.compile(r"[\ud800-\udfff]")  # half a character, as broken JSON holds it: no UTF-8 can


def write_url_list(source: str, form: str, out: Path | str, counts: Counter[str]) -> int:
    """Write `urls.parquet` from a file, or from every file of a folder in the order of their names.

    Args:
        source: local path or fsspec URL.
        form: one of FORMATS, or "auto".
        out: the parquet file.
        counts: of what was dropped or changed, by reason.

    Returns:
        How many rows were written.

    Raises:
        ParamError: when the file is missing, its format is unknown, or nothing is left of it.
    """
    total = 0
    with files.atomic(out) as handle:
        writer: pq.ParquetWriter | None = None
        for rows in _distinct(_cleaned(_batches(source, form, counts), counts), counts):
            if writer is None:
                names = dict.fromkeys(name for row in rows for name in row)
                schema = pa.schema([(name, pa.string()) for name in names], {shards.STAMP: b""})
                writer = pq.ParquetWriter(handle, schema)
            writer.write_table(pa.Table.from_pylist(rows, writer.schema))
            total += len(rows)
        if writer is None:
            raise ParamError(f"web.urls: {source} has no usable row; dropped: {dict(counts) or 'nothing'}")
        writer.close()
    return total


def _batches(source: str, form: str, counts: Counter[str]) -> Iterator[list[Row]]:
    for path in _paths(source):
        yield from FORMATS[detect(path) if form == "auto" else form](path, counts)


def _paths(source: str) -> list[str]:
    if not files.exists(source):
        raise ParamError(f"web.urls is {source!r}; there is no such file")
    inside = files.listing(source, "") if Path(source).is_dir() else []
    return inside or [source]


def _cleaned(batches: Iterable[list[Row]], counts: Counter[str]) -> Iterator[list[Row]]:
    with tqdm(desc="web: rows", unit="row") as bar:
        for batch in batches:
            yield [clean for row in batch if (clean := _clean(row, counts))]
            bar.update(len(batch))


def _distinct(batches: Iterable[list[Row]], counts: Counter[str]) -> Iterator[list[Row]]:
    seen = Distinct()
    for rows in batches:
        new = seen.first_seen([f"{row['url']}\0{row['caption']}" for row in rows])
        if not new.all():
            counts["duplicate_row"] += int((~new).sum())
        if new.any():
            yield [row for row, keep in zip(rows, new, strict=True) if keep]


def _clean(row: Row, counts: Counter[str]) -> Row | None:
    """A row with text in every column, or None when it has no URL or caption."""
    url = _text(row.get("url"))
    caption = row.get("caption")
    several = caption if isinstance(caption, list) else [caption]
    lines = [line for item in several if (line := _text(item))]
    reasons = {"no_url": not url, "url_too_long": len(url) > MAX_URL, "no_caption": not lines}
    if reason := next((name for name, found in reasons.items() if found), None):
        counts[reason] += 1
        return None
    text = "\n".join(lines)
    if len(text) > MAX_CAPTION:
        counts["caption_cut"] += 1
        text = text[:MAX_CAPTION]
    further = {name: _plain(value) for name, value in row.items() if name not in ("url", "caption")}
    return {"url": url, "caption": text, **further}


def _text(value: Any) -> str:
    """One line of valid text: control characters, line ends and runs of spaces become one space."""
    if value is None or (isinstance(value, float) and value != value):  # NaN is pandas' null
        return ""
    return SURROGATE.sub("\ufffd", CONTROL.sub(" ", str(value))).strip()


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else SURROGATE.sub("\ufffd", value)
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
