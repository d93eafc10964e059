"""Shards of the current and the next window in memory, loaded in the background."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.masks.nms import select
from ovseg_core.records import BadSample, MaskSet, Rle
from ovseg_core.training.settings import DataSettings


@dataclass
class Decoded:
    """What a sample shows, before any random choice."""

    captions: list[str]
    image: np.ndarray | None  # (H, W, 3) uint8; None where cached maps stand for it
    masks: np.ndarray  # (H, W) segment ids from 1 on (human), or the bits of (M, H, W) masks (a teacher's)
    shape: tuple[int, ...]  # (M, H, W) of bits; () of ids
    names: list[str]  # class of each mask, "" where unknown

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.masks.nbytes + (self.image.nbytes if self.image is not None else 0)


@dataclass
class LoadedShard:
    """One shard in memory: its members, and what was decoded of them so far."""

    raw: dict[str, dict[str, Any]]  # members by key
    problem: str = "missing_sample"  # why a key may be absent
    masks: "PseudoMasks | None" = None
    maps: dict[str, Any] = field(
        default_factory=dict
    )  # level -> (rows, C, h, w) tensor; empty without a cache
    decoded: dict[str, Decoded] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory of members and decoded samples; maps are mapped from their file."""
        members = sum(len(content) for raw in self.raw.values() for content in raw.values())
        return members + sum(sample.nbytes for sample in self.decoded.values())


class PseudoMasks:
    """A shard's masks of one teacher; thresholds are applied when a sample is read."""

    def __init__(self, table: pa.Table) -> None:
        table = table.combine_chunks()
        self.place = {key: row for row, key in enumerate(table["key"].to_pylist())}
        self.sizes = table["size"].to_pylist()
        lists = table["masks"].chunk(0) if len(table) else pa.array([], table.schema.field("masks").type)
        self.offsets = lists.offsets.to_numpy()
        self.counts = lists.values.field("counts")
        self.scores = lists.values.field("score").to_numpy()

    def select(self, key: str, settings: DataSettings) -> np.ndarray:
        """(M, H, W) bool, best first; none for a key that the teacher did not see."""
        if key not in self.place:
            return np.zeros((0, 1, 1), bool)
        row = self.place[key]
        first, last = self.offsets[row : row + 2]
        counts = self.counts.slice(first, last - first).to_pylist()
        proposed = MaskSet(
            masks=[Rle(size=self.sizes[row], counts=text) for text in counts],
            scores=self.scores[first:last].astype(np.float32),
        )
        return select(proposed, settings.min_score, settings.nms_iou, settings.max_masks)


def load_shard(path: str, pseudo: str | None = None, features: str | None = None) -> LoadedShard:
    """A shard's members, with the masks of the folder `pseudo` and the maps of the folder `features`.

    A shard that was cut in the middle gives what it still holds; `problem` names what happened to the rest.

    Raises:
        FileNotFoundError: when the masks or maps of the shard are not there: their stage has to run first.
    """
    shard = LoadedShard(raw={})
    try:
        for raw in shards.read_tar(path + ".tar"):
            if features:
                raw.pop("jpg", None)
            shard.raw[raw["__key__"]] = raw
    except BadSample as error:
        shard.problem = error.reason
    except OSError:
        shard.problem = "unreadable_shard"
    name = shards.name_of(path)
    if pseudo:
        shard.masks = PseudoMasks(shards.read_table(_present(files.join(pseudo, name + ".parquet"))))
    if features:
        shard.maps = read_maps(_present(files.join(features, name + ".safetensors")))
    return shard


def read_maps(path: str) -> dict[str, Any]:
    """The tensors of one file of the `features` stage; a local file is mapped: only rows in use are read."""
    from safetensors.torch import load, load_file

    return load(files.read_bytes(path)) if files.is_url(path) else load_file(path)


def level_names(maps: Mapping[str, Any]) -> list[str]:
    """The levels of the backbone among such tensors, finest first."""
    return sorted(name for name in maps if name.startswith("level"))


def _present(path: str) -> str:
    if not files.exists(path):
        raise FileNotFoundError(
            f"{path} is missing: run the stage that makes it (`dvc repro`), then train again"
        )
    return path


class ShardCache:
    """Shards by path, loaded one after another in a thread of its own.

    The shards that were asked for last are held in any case; others, and decoded samples, as long as all
    together take no more than `budget` bytes. A small corpus is read and decoded once, a large one streams.
    """

    def __init__(self, pseudo: str | None, features: str | None, budget: int) -> None:
        self.pseudo, self.features, self.budget = pseudo, features, budget
        self._thread = ThreadPoolExecutor(1, "shards")
        self._shards: dict[str, Future[LoadedShard]] = {}  # the least recently wanted first
        self._used = 0  # bytes, counted anew whenever the window moves

    def want(self, paths: Iterable[str]) -> None:
        """Start to load `paths`, in order, and let go of the oldest others that there is no room for."""
        wanted = dict.fromkeys(paths)
        self._used = self._count()
        for path in [path for path in self._shards if path not in wanted]:
            if self._used <= self.budget:
                break
            del self._shards[path]
            self._used = self._count()
        for path in wanted:
            loaded = self._shards.pop(path) if path in self._shards else self._submit(path)
            self._shards[path] = loaded

    def get(self, path: str) -> LoadedShard:
        """One shard; waits until it is loaded."""
        if path not in self._shards:
            self._shards[path] = self._submit(path)
        return self._shards[path].result()

    def keep(self, shard: LoadedShard, key: str, sample: Decoded) -> None:
        """Remember a decoded sample if there is room."""
        if self._used + sample.nbytes <= self.budget:
            self._used += sample.nbytes
            shard.decoded[key] = sample

    def close(self) -> None:
        """Stop loading."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, path: str) -> "Future[LoadedShard]":
        return self._thread.submit(load_shard, path, self.pseudo, self.features)

    def _count(self) -> int:
        loaded = [future for future in self._shards.values() if future.done() and not future.exception()]
        return sum(future.result().nbytes for future in loaded)
