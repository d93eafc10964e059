"""`ovseg parse`: a file of captions in, a table of their words out, row for row."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ovseg_core import files
from ovseg_core.processes import in_order
from ovseg_core.text import caption_files
from ovseg_core.text.extraction import COLUMNS, COUNTS, Words
from ovseg_core.text.pipeline import CaptionParser
from ovseg_core.text.settings import ExtractSettings

logger = logging.getLogger(__name__)
LONGEST = 10_000  # characters of a caption that the command reads
GROUP_ROWS, GROUP_BYTES = 32_768, 64_000_000  # of a row group of the output, whichever is reached first
WORDS = ("nouns", "adjectives", "verbs")
SCHEMA = pa.schema([("caption", pa.string()), *((name, pa.list_(pa.string())) for name in COLUMNS)])
Made = tuple[pa.Table, Counter[str]]


@dataclass(frozen=True, kw_only=True)
class How:
    """What the words are to be."""

    settings: ExtractSettings
    forms: bool


class Parser:
    """Batches of captions to tables."""

    def __init__(self, how: How) -> None:
        self.words = Words(CaptionParser(how.settings.model, how.settings.entities, how.forms))
        self.longest = how.settings.max_caption_chars

    def __call__(self, texts: list[str]) -> Made:
        """`caption` as it was read, without what UTF-8 cannot hold, and its words."""
        counts = Counter(captions=len(texts), caption_cut=sum(len(text) > self.longest for text in texts))
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        columns = self.words.columns([text[: self.longest] for text in texts], counts)
        wordless = sum(not any(words) for words in zip(*(columns[name] for name in WORDS), strict=True))
        counts["no_words"] = wordless - counts["empty_caption"]
        return pa.table({"caption": texts, **columns}, schema=SCHEMA), counts


def parse(source: str, output: str, how: How, column: str | None = None, workers: int = 1) -> Counter[str]:
    """Write `output`, one row per row of `source` and in its order; returns what was counted.

    `empty_caption`: nothing is left once markup and invisible characters are gone; `no_words`: no noun,
    adjective or verb is in it; `caption_cut`: longer than is read; `bad_row`: the file's row holds none.

    Memory does not grow with the file: a few batches per worker are under way.

    Raises:
        ValueError: for a wrong argument, and where no row of the source holds a caption; nothing is written.
    """
    if workers < 1:
        raise ValueError(f"--workers is {workers}; it has to be at least 1")
    if not output.endswith(".parquet"):
        raise ValueError(f"--output is {output}; it has to end in .parquet")
    if files.absolute(output) == files.absolute(source):
        raise ValueError(f"--output is {output}, which is what is read; it has to be another file")
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    batches = caption_files.read(source, column, counts)
    tables = map(Parser(how), batches) if workers == 1 else in_order(_call, batches, workers, _start, (how,))
    with files.atomic(output) as handle, pq.ParquetWriter(handle, SCHEMA) as writer:
        with tqdm(desc="parse", unit=" captions", unit_scale=True) as bar:
            for table in _groups(tables, counts):
                writer.write_table(table)
                bar.update(len(table))
        if 0 < counts["captions"] == counts["bad_row"]:
            raise ValueError(
                f"no row of {source} holds a caption; see --column. JSON has to be one object a line"
            )
        writer.add_key_value_metadata({COUNTS.decode(): json.dumps(+counts, sort_keys=True)})
    seconds = time.perf_counter() - started
    number = counts["captions"]
    reasons = [f"{count:,} {reason}" for reason, count in sorted((+counts).items()) if reason != "captions"]
    told = "; ".join(
        [f"{number:,} captions in {seconds:.1f} s, {number / seconds:,.0f}/s", ", ".join(reasons)]
    )
    logger.info("%s: %s", output, told.removesuffix("; "))
    return +counts


def _groups(made: Iterable[Made], counts: Counter[str]) -> Iterator[pa.Table]:
    """Tables in groups large enough that 12 million rows have no more than a few hundred of them."""
    group: list[pa.Table] = []
    rows = size = 0
    for table, counted in made:
        counts.update(counted)
        group.append(table)
        rows, size = rows + len(table), size + table.nbytes
        if rows >= GROUP_ROWS or size > GROUP_BYTES:
            yield pa.concat_tables(group)
            group, rows, size = [], 0, 0
    if group:
        yield pa.concat_tables(group)


_parser: Callable[[list[str]], Made]


def _start(how: How) -> None:
    global _parser
    _parser = Parser(how)


def _call(texts: list[str]) -> Made:
    return _parser(texts)
