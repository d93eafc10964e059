"""What the curation kept, as the trainer samples it: one table per stream, and the vocabulary."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import files, hashing, shards
from ovseg_core.params import ParamError
from ovseg_core.text import filters
from ovseg_core.training.pairs import EntityTable, read_entities
from ovseg_core.training.settings import DataSettings


@dataclass(frozen=True)
class DataFolders:
    """Where the stages before training left their files; `root` is a folder or an fsspec URL."""

    root: str

    def __getitem__(self, name: str) -> str:
        return files.join(self.root, name)


@dataclass(frozen=True)
class Stream:
    """The samples of one kind, labelled or captioned, in the order of the corpus."""

    labelled: bool
    keys: pa.Array  # (n,) strings
    rows: np.ndarray  # (n,) row of each sample in its shard
    words: pa.Array  # (n,) lists of strings
    shards: list[str]  # paths without suffix
    shard_of: np.ndarray  # (n,) index into `shards`
    nouns: pa.Array | None = None  # (n,) lists of strings, where a method asks for them
    entities: EntityTable | None = None  # where a method, or `data.pairs`, asks for them

    def __len__(self) -> int:
        return len(self.keys)


def read_streams(
    folders: DataFolders,
    settings: DataSettings,
    nouns: bool = False,
    entities: bool = False,
    verbs: bool = False,
) -> dict[bool, Stream]:
    """The streams that a batch draws from, by `labelled`; with nouns (and verbs among them) and entities of
    each sample on demand.

    Raises:
        ParamError: when a share of the batch has no samples to fill it.
    """
    table = read_samples(folders, settings, nouns, verbs)
    share = settings.labelled_share
    wanted = {True: share, False: 1 - share}
    streams = {labelled: _stream(table, labelled, folders) for labelled, part in wanted.items() if part > 0}
    for labelled, stream in streams.items():
        if not len(stream):
            kind = "labelled" if labelled else "caption-only"
            raise ParamError(
                f"data.labelled is {settings.labelled} and data.captioned is {settings.captioned}, so "
                f"{wanted[labelled]:.0%} of a batch are {kind} images, but {folders['corpus']} has none"
            )
    if entities:
        path = files.join(folders["corpus"], "partners.parquet")
        return {
            key: replace(stream, entities=read_entities(path, stream.keys)) for key, stream in streams.items()
        }
    return streams


def read_samples(
    folders: DataFolders, settings: DataSettings, nouns: bool = False, verbs: bool = False
) -> pa.Table:
    """The samples of the corpus that `data.images` draws, with the words that `data.words` takes.

    A captioned sample that has none of them is left out, as `curate.filter` of that name would have done.
    With `nouns`, a column of that name holds those of the words that are one, before `data.words` takes; with
    `verbs` those too, as far as `curate.filter` kept them.

    Raises:
        ParamError: when there are fewer samples of a kind that is read than `data.images`, or none of what
            another model labelled is as sure as `data.min_confidence`.
    """
    table = shards.read_table(files.join(folders["corpus"], "samples.parquet"))
    if "confidence" in table.column_names:
        table = _sure(table, settings.min_confidence)
    if settings.images is not None:
        table = _drawn(table, settings.images, settings.labelled_share)
    if settings.words is None and not nouns:
        return table
    units = pa.table(
        {
            "row": pc.list_parent_indices(table["words"]),
            "word": pc.list_flatten(table["words"]),
            "part": pc.list_flatten(table["parts"]),
        }
    )
    if nouns:
        named = pa.array(["noun", "verb"] if verbs else ["noun"])
        found = filters.words_per_row(units.filter(pc.is_in(units["part"], value_set=named)), len(table))
        table = table.append_column("nouns", found)
    if settings.words is None:
        return table
    taken = pa.array(filters.taken_parts(settings.words, phrases=True))
    words = filters.words_per_row(units.filter(pc.is_in(units["part"], value_set=taken)), len(table))
    some = pc.greater(pc.list_value_length(words), 0)
    table = table.set_column(table.column_names.index("words"), "words", words)
    return table.filter(pc.or_(table["labelled"], some))


def _sure(table: pa.Table, least: float) -> pa.Table:
    """Without the images whose surest pixel is below `least`: nothing of them would be learnt."""
    steps = pc.floor(pc.multiply(table["confidence"], 255))  # as the map that is stored has them
    kept = table.filter(pc.greater_equal(steps, math.floor(255 * least)))
    if len(table) and not len(kept):
        highest = pc.max(table["confidence"]).as_py()
        raise ParamError(
            f"data.min_confidence is {least}, but no pixel is as sure; accepted: up to {highest:.2g}"
        )
    return kept


def _drawn(table: pa.Table, images: int, labelled_share: float) -> pa.Table:
    """`images` samples of each kind by the hash of their key: fewer are always among more."""
    place = np.array([hashing.number(key) for key in table["key"].to_pylist()], np.uint64)
    labelled = table["labelled"].to_numpy()
    kept = np.zeros(len(table), bool)
    for kind, share in ((True, labelled_share), (False, 1 - labelled_share)):
        rows = np.flatnonzero(labelled == kind)
        if share > 0 and len(rows) < images:
            have = f"{len(rows)} {'labelled' if kind else 'caption-only'} images"
            raise ParamError(f"data.images is {images}, but the corpus has {have}")
        kept[rows[np.argsort(place[rows])[:images]]] = True
    return table.filter(pa.array(kept))


def _stream(table: pa.Table, labelled: bool, folders: DataFolders) -> Stream:
    rows = table.filter(pc.equal(table["labelled"], labelled)).combine_chunks()
    names, shard_of = np.unique(rows["shard"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    folder = folders["labelled" if labelled else "shards"]
    return Stream(
        labelled=labelled,
        keys=_whole(rows["key"]),
        rows=rows["row"].to_numpy(),
        words=_whole(rows["words"]),
        shards=[files.join(folder, name) for name in names],
        shard_of=shard_of,
        nouns=_whole(rows["nouns"]) if "nouns" in rows.column_names else None,
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def read_words(folders: DataFolders, settings: DataSettings) -> list[str]:
    """The words and phrases of the samples, each once, sorted."""
    return sorted(pc.unique(pc.list_flatten(read_samples(folders, settings)["words"])).to_pylist())


def read_label_names(stream: Stream) -> list[str]:
    """Every class name of the labelled stream, sorted. Reads all of its shards: only for methods that ask."""
    names: set[str] = set()
    for shard in stream.shards:
        for raw in shards.read_tar(shard + ".tar"):
            names |= {str(name) for name in json.loads(raw.get("json", b"{}")).get("segments", [])}
    return sorted(names - {""})
