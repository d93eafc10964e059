"""From shards and their words to the corpus that training samples from.

Everything passes through shard by shard, twice: first to count words among the captions that may stay, then
to write the samples with the words that are kept. In between, only the words, a bit per caption and 12 bytes
per wording stay in memory.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from ovseg_core import files, shards
from ovseg_core.text import entities, filters, nouns
from ovseg_core.text.concepts import Concepts
from ovseg_core.text.funnel import Funnel, Ledger
from ovseg_core.text.leaks import BenchmarkImages, leaks_of
from ovseg_core.text.settings import CurateSettings
from ovseg_core.text.sources import OpenSource, Source
from ovseg_core.text.vocabulary import Vocabulary

SAMPLES = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("labelled", pa.bool_()),
        ("words", pa.list_(pa.string())),
        ("parts", pa.list_(pa.string())),  # of speech, one per word
    ]
)


class Curator:
    """One run over all shards."""

    def __init__(self, images: BenchmarkImages, duplicates: pa.Array, settings: CurateSettings) -> None:
        self.images, self.duplicates, self.settings = images, duplicates, settings
        self.taken = filters.taken_parts(settings.filter, settings.phrases)
        self.vocabulary, self.seen, self.kept = Vocabulary(), Vocabulary(), Vocabulary()
        self.concepts = Concepts()
        self.wordings = filters.WordingLimit(settings.near_duplicates) if settings.near_duplicates else None
        last = ["entity"] if settings.require_entity else []
        self.funnel = Funnel("not a duplicate", "not in a benchmark", "caption", "words", *last)
        self.labelled = Funnel("not in a benchmark")
        self.rows: Counter[bool] = Counter()  # read, by `labelled`
        self.leaks: list[dict[str, Any]] = []
        self._stays: dict[str, np.ndarray] = {}  # packed bits: rows that passed everything but the words

    def look(self, source: OpenSource) -> None:
        """First pass: decide which rows may stay, and count their words."""
        keys = source.captions["key"]
        self.rows[source.labelled] += len(keys)
        stays = np.ones(len(keys), bool)
        if not source.labelled:
            self._drop(source, stays, "not a duplicate", _in(keys, self.duplicates), "duplicate_image")
        leaks = leaks_of(source.path, source.hashes, self.images, self.settings.leak_distance)
        self.leaks += leaks
        leaked = pa.array([leak["key"] for leak in leaks], pa.string())
        self._drop(source, stays, "not in a benchmark", _in(keys, leaked), "benchmark_image")
        if not source.labelled:
            self._look_at_captions(source, stays)
        self._stays[source.name] = np.packbits(stays)
        if source.text is not None:
            self.vocabulary.add(self._units(source, stays))
            self.seen.add(_entities(source.text, stays))

    def _look_at_captions(self, source: OpenSource, stays: np.ndarray) -> None:
        if source.text is None:
            self._drop(source, stays, "caption", np.ones(len(stays), bool), "no_text")
        wordings = filters.wording(source.captions["caption"])
        self._drop(source, stays, "caption", pc.equal(wordings, "").to_numpy(), "empty_caption")
        if self.wordings:
            repeated = np.zeros(len(stays), bool)
            repeated[stays] = ~self.wordings.passes(wordings.filter(pa.array(stays)))
            self._drop(source, stays, "caption", repeated, "near_duplicate_caption")

    def _drop(self, source: Source, stays: np.ndarray, step: str, dropped: np.ndarray, reason: str) -> None:
        funnel = self.labelled if source.labelled else self.funnel
        funnel.drop(step, reason, int((stays & dropped).sum()))
        stays &= ~dropped

    def _units(self, source: OpenSource, stays: np.ndarray) -> pa.Table:
        texts = source.captions["caption"] if "other" in self.taken else None
        table = filters.units(source.text, texts)
        return table.filter(pa.array(stays[table["row"].to_numpy()]))

    def choose(self, source: OpenSource, kept_words: pa.Array, frequent: pa.Array) -> pa.Table:
        """Second pass: the samples of one shard with kept words; `frequent` are the entities that count."""
        number = len(source.captions)
        stays = np.unpackbits(self._stays[source.name], count=number).astype(bool)
        words = parts = pa.array([[]] * number, SAMPLES.field("words").type)
        if source.text is not None:
            units = self._units(source, stays)
            units = units.filter(pc.is_in(units["part"], value_set=pa.array(self.taken)))
            had_words = np.bincount(units["row"].to_numpy(), minlength=number) > 0
            units = units.filter(pc.is_in(units["word"], value_set=kept_words))
            words, parts = (filters.words_per_row(units, number, column) for column in ("word", "part"))
            if not source.labelled:
                self._drop(source, stays, "words", ~had_words, "no_words")
                bare = pc.equal(pc.list_value_length(words), 0).to_numpy(zero_copy_only=False)
                self._drop(source, stays, "words", bare, "rare_words")
                self._drop_without_entity(source, stays, frequent)
            self.kept.add(_entities(source.text, stays, frequent))
            self.concepts.add(source.text.filter(pa.array(stays))["noun_phrases"])
        return _samples(source, words, parts).filter(pa.array(stays))

    def _drop_without_entity(self, source: OpenSource, stays: np.ndarray, frequent: pa.Array) -> None:
        if not self.settings.require_entity or source.text is None:
            return
        lists = source.text["entities"]
        none = pc.equal(pc.list_value_length(lists), 0).to_numpy()
        self._drop(source, stays, "entity", none, "no_entity")
        shown = pc.list_parent_indices(lists).filter(pc.is_in(pc.list_flatten(lists), value_set=frequent))
        rare = np.bincount(shown.to_numpy(), minlength=len(stays)) == 0
        self._drop(source, stays, "entity", rare, "rare_entity")


def _entities(text: pa.Table, stays: np.ndarray, frequent: pa.Array | None = None) -> pa.Table:
    """What `Vocabulary` takes, from the entities of the rows that stay."""
    names = pc.list_flatten(text.filter(pa.array(stays))["entities"])
    if frequent is not None:
        names = names.filter(pc.is_in(names, value_set=frequent))
    return pa.table({"word": names, "part": pa.repeat(pa.scalar("noun"), len(names))})


def _in(keys: pa.ChunkedArray, known: pa.Array) -> np.ndarray:
    return pc.is_in(keys, value_set=known).to_numpy()


def _samples(source: OpenSource, words: pa.Array, parts: pa.Array) -> pa.Table:
    number = len(source.captions)
    columns = {
        "key": source.captions["key"],
        "shard": pa.repeat(pa.scalar(source.name), number),
        "row": pa.array(np.arange(number), pa.int32()),
        "labelled": pa.repeat(pa.scalar(source.labelled), number),
        "words": words,
        "parts": parts,
    }
    return pa.table(columns, schema=SAMPLES)


def curate(
    sources: Sequence[Source],
    ledger: Path | str,
    benchmarks: Path | str,
    out: Path | str,
    settings: CurateSettings,
) -> dict[str, Any]:
    """Write the corpus folder; returns the funnel.

    Raises:
        ValueError: when no sample is left, with the counts of what was dropped.
    """
    known = Ledger(ledger) if files.exists(ledger) else None
    duplicates = known.duplicates if known else pa.array([], pa.string())
    curator = Curator(BenchmarkImages.read(benchmarks), duplicates, settings)
    for source in tqdm(sources, desc="count words", unit="shard"):
        curator.look(source.open())
    vocabulary = curator.vocabulary.decide(curator.taken, settings.min_documents)
    seen = curator.seen.decide(("noun",), settings.min_documents)
    # They come most frequent first.
    frequent = seen["word"].filter(seen["kept"]).slice(0, settings.most_entities).combine_chunks()
    num_samples = _write_samples(sources, curator, vocabulary, frequent, files.join(out, "samples.parquet"))
    funnel = {
        "steps": [
            *(known.steps(curator.rows[False]) if known else []),
            *curator.funnel.steps(curator.rows[False]),
        ],
        "labelled": curator.labelled.steps(curator.rows[True])[0],
    }
    if not num_samples:
        raise ValueError(f"no sample is left: {json.dumps(funnel)}")
    shards.write_table(files.join(out, "vocabulary.parquet"), vocabulary)
    shards.write_table(files.join(out, "concepts.parquet"), curator.concepts.frequent(settings.min_documents))
    shards.write_table(files.join(out, "nouns.parquet"), nouns.choice(vocabulary, seen, frequent))
    _write_entities(sources, curator, out)
    files.write_json(files.join(out, "leaks.json"), curator.images.by_benchmark(curator.leaks))
    files.write_json(files.join(out, "funnel.json"), funnel)
    return funnel


def _write_samples(
    sources: Sequence[Source], curator: Curator, vocabulary: pa.Table, frequent: pa.Array, path: str
) -> int:
    kept = vocabulary["word"].filter(vocabulary["kept"]).combine_chunks()
    number = 0
    with files.atomic(path) as handle, pq.ParquetWriter(handle, SAMPLES) as writer:
        for source in tqdm(sources, desc="write samples", unit="shard"):
            chosen = curator.choose(source.open(), kept, frequent)
            number += len(chosen)
            if len(chosen):
                writer.write_table(chosen)
    return number


def _write_entities(sources: Sequence[Source], curator: Curator, out: Path | str) -> None:
    counts = curator.kept.decide(("noun",), curator.settings.min_documents)
    by_name = {source.name: source for source in sources}
    entities.write(
        files.join(out, "entities.parquet"),
        files.join(out, "partners.parquet"),
        files.join(out, "samples.parquet"),
        counts.filter(counts["kept"]),
        lambda name: by_name[name].open().entities,
        curator.settings.partners,
        curator.settings.seed,
    )
