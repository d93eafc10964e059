"""Thirty captions with what was read from them, so that errors of the parser are seen at a glance."""

from typing import Any

import numpy as np

from ovseg_core.records import BadSample
from ovseg_core.reporting.blocks import Block, Gallery, Strip, missing
from ovseg_core.reporting.captions import mark
from ovseg_core.reporting.figures import plain
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources
from ovseg_core.text import captions

NUMBER, MOST_SHARDS = 30, 3  # of captions; of shards that they come from
KINDS = {"nouns": "noun", "adjectives": "adjective", "verbs": "verb"}  # column of data/text -> class name
LONGEST = 1000  # characters that are read of a caption


def section(sources: Sources, settings: ReportSettings) -> Block:
    """Captions drawn by `report.seed`, also dropped ones: words marked, entities below."""
    rng = np.random.default_rng(settings.seed)
    names = [name.removesuffix(".parquet") for name in sources.listing("data/text", suffix=".parquet")]
    captioned = [name for name in names if sources.exists("data/shards", f"{name}.tar")]
    few = sorted(rng.permutation(captioned)[:MOST_SHARDS].tolist()) if captioned else []
    rows = [row for name in few for row in _rows(sources, name)]
    if not rows:
        return missing("No captions: data/text has no table of a shard of data/shards.")
    drawn = sorted(rng.permutation(len(rows))[:NUMBER].tolist())
    caption = (
        "Captions as they were read: nouns, adjectives and verbs are underlined, each in its colour, and "
        "below each caption stand its entities. What is not underlined was not taken. "
        f"Drawn with seed {settings.seed}, before anything is dropped."
    )
    return Gallery([_strip(*rows[i]) for i in drawn], caption, 0, kind="scenes")


def _rows(sources: Sources, name: str) -> list[tuple[str, dict[str, Any]]]:
    """(caption, its row of the text table) of one shard; none where the two do not fit."""
    table = sources.table("data/text", f"{name}.parquet")
    try:
        batches = captions.read(sources.path("data/shards", name), LONGEST)
        texts = [text for _, batch, _ in batches for text in batch.to_pylist()]
    except BadSample:
        return []
    if table is None or len(texts) != len(table):
        return []
    return list(zip(texts, table.to_pylist(), strict=True))


def _strip(caption: str, row: dict[str, Any]) -> Strip:
    lemmas = {kind: row[column] for column, kind in KINDS.items()}
    return Strip(row["key"], [], mark(caption, lemmas), [plain(name) for name in row["entities"]])
