"""One shard's captions in, its table of words out: what a worker of the extract stage does."""

import json
import logging
from collections import Counter
from functools import cache
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ovseg_core import files, shards
from ovseg_core.records import BadSample
from ovseg_core.text import captions
from ovseg_core.text.entity_sets import MINED, NAMED
from ovseg_core.text.network import WEIGHTS
from ovseg_core.text.phrases import Parsed
from ovseg_core.text.pipeline import CaptionParser
from ovseg_core.text.settings import LEXICON, ExtractSettings, model_folder
from ovseg_core.text.word_tables import TABLES

logger = logging.getLogger(__name__)
COLUMNS = ("nouns", "adjectives", "verbs", "noun_phrases", "entities")
SCHEMA = pa.schema([("key", pa.string()), *((name, pa.list_(pa.string())) for name in COLUMNS)])
LINES_KEPT = 50_000  # about 0.1 GB
COUNTS = b"ovseg.counts"  # metadata of a text table: JSON of what was read and dropped
# Modules that shape a table.
CODE = (
    *("captions", "entity_sets", "extraction", "features", "lemmas", "lexicon", "mends", "network"),
    *("phrases", "pipeline", "tagger", "tokens", "visible", "word_tables", "words"),
)


class Words:
    """Captions to columns of words. A line is parsed once while it is among the last LINES_KEPT."""

    def __init__(self, parser: CaptionParser) -> None:
        self.parser = parser
        self.known: dict[str, Parsed] = {}

    def columns(self, texts: list[str], counts: Counter[str]) -> dict[str, list[list[str]]]:
        """The columns of N captions, each with N lists; `counts` gets `empty_caption`."""
        if len(self.known) > LINES_KEPT:
            self.known.clear()
        lines = [captions.lines(text) for text in texts]
        self.parser.forget()
        self.known |= self.parser.parse(
            line for caption in lines for line in caption if line not in self.known
        )
        found = [Parsed.union([self.known[line] for line in caption], self.parser.forms) for caption in lines]
        counts["empty_caption"] += sum(not caption for caption in lines)
        return {name: [getattr(parsed, name) for parsed in found] for name in COLUMNS}


class ShardExtractor:
    """Writes the text table of one shard. The text stage makes an actor pool of it, a shard a task."""

    def __init__(self, settings: ExtractSettings, out: str, stamps: dict[str, str]) -> None:
        self.settings, self.out, self.stamps = settings, out, stamps
        self.words = Words(CaptionParser(settings.model, settings.entities))

    def __call__(self, shard: str) -> dict[str, int]:
        """Returns what was counted: `captions`, and drops by reason."""
        counts: Counter[str] = Counter()
        batches: list[pa.Table] = []
        try:
            for keys, texts, num_cut in captions.read(shard, self.settings.max_caption_chars):
                counts.update(captions=len(keys), caption_cut=num_cut)
                columns = self.words.columns(texts.to_pylist(), counts)
                batches.append(pa.table({"key": keys, **columns}, schema=SCHEMA))
        except BadSample as error:
            logger.warning("%s", error)
            counts[error.reason] += 1
            if error.reason == "unreadable_shard":  # a table of earlier captions would say what is not there
                files.remove(table_path(self.out, shards.name_of(shard)))
                return dict(counts)
        table = pa.concat_tables(batches) if batches else SCHEMA.empty_table()
        counted = {COUNTS: json.dumps(counts, sort_keys=True).encode()}
        name = shards.name_of(shard)
        path = table_path(self.out, name)
        shards.write_table(path, table.replace_schema_metadata(counted), self.stamps[name])
        return dict(counts)


def table_path(folder: Path | str, name: str) -> str:
    """Where the text table of the shard `name` lies."""
    return files.join(folder, f"{name}.parquet")


def counts_of(path: str) -> dict[str, int]:
    """What was counted when a text table was made."""
    with files.open_read(path) as handle:
        return json.loads((pq.read_schema(handle).metadata or {}).get(COUNTS, b"{}"))


def fingerprint(shard: str, settings: ExtractSettings) -> str:
    """What the text table of a shard depends on: the file with its captions, settings, code and packages."""
    return files.fingerprint(
        files.digest(captions.source_of(shard)), settings, code(settings.model, settings.entities)
    )


@cache
def code(model: str, entities: str) -> dict[str, str]:
    """Digests and versions of everything that turns a caption into words."""
    folder = Path(__file__).parent
    parts = {name: files.digest(folder / f"{name}.py") for name in CODE}
    parts |= {name: metadata.version(name) for name in ("spacy", "spacy-lookups-data")}
    if model == LEXICON:
        parts |= {"weights": files.digest(WEIGHTS), "tables": files.digest(TABLES)}
    elif found := model_folder(model):
        parts["model"] = files.digest(found / "meta.json")
    if entities != MINED and entities not in NAMED:
        parts["entities"] = files.digest(entities)
    return parts
