"""Shards of the current and the next window in memory, loaded in the background."""

import json
from collections.abc import Iterable
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
class LoadedShard:
    """One shard as training needs it, not yet decoded."""

    raw: dict[str, dict[str, Any]]  # members by key
    problem: str = "missing_sample"  # why a key may be absent
    masks: "PseudoMasks | None" = None
    maps: dict[str, Any] = field(
        default_factory=dict
    )  # level -> (rows, C, h, w) tensor; empty without a cache


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


def _present(path: str) -> str:
    if not files.exists(path):
        raise FileNotFoundError(
            f"{path} is missing: run the stage that makes it (`dvc repro`), then train again"
        )
    return path


def class_names(raw: dict[str, Any]) -> list[str]:
    """Names of the segments of a labelled sample."""
    return [str(name) for name in json.loads(raw["json"])["segments"]]


class ShardCache:
    """Holds the shards that were asked for last and loads them one after another in a thread of its own."""

    def __init__(self, pseudo: str | None, features: str | None) -> None:
        self.pseudo, self.features = pseudo, features
        self._thread = ThreadPoolExecutor(1, "shards")
        self._shards: dict[str, Future[LoadedShard]] = {}

    def want(self, paths: Iterable[str]) -> None:
        """Start to load `paths`, in order, and let go of every other shard."""
        self._shards = {path: self._shards.get(path) or self._submit(path) for path in paths}

    def get(self, path: str) -> LoadedShard:
        """One shard; waits until it is loaded."""
        if path not in self._shards:
            self._shards[path] = self._submit(path)
        return self._shards[path].result()

    def close(self) -> None:
        """Stop loading."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _submit(self, path: str) -> "Future[LoadedShard]":
        return self._thread.submit(load_shard, path, self.pseudo, self.features)
