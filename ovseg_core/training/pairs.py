"""Which samples show which entities, and pairs of them for cross-image losses (OVSegmentor, Sec. 3.2).

A partner is drawn from the window of shards that a worker holds in memory, so pairs cost no reads. What it
costs is choice: an image meets the images of its window (`data.window` shards), others in every epoch, and an
entity that only one image of the window shows gives no pair there.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import files, shards
from ovseg_core.training.plan import StreamPlan

COLUMNS = ["entity", "key", "share"]  # the partners that the corpus lists lie in shards far apart: not read


@dataclass(frozen=True)
class EntityTable:
    """Entities of the n samples of a stream: sample i has ids[offsets[i]:offsets[i + 1]]."""

    names: list[str]
    offsets: np.ndarray  # (n + 1,)
    ids: np.ndarray  # into `names`
    shares: np.ndarray  # how often each is to be drawn for its sample; adds up to 1 for a sample

    def of(self, sample: int) -> list[str]:
        """Names, in the order of the table."""
        return [self.names[i] for i in self.ids[self.offsets[sample] : self.offsets[sample + 1]]]


def read_entities(path: str, keys: pa.Array) -> EntityTable:
    """The rows of `partners.parquet` for the samples with these keys; others are left out.

    Raises:
        FileNotFoundError: when the corpus has no such table: `curate` writes it.
    """
    if not files.exists(path):
        raise FileNotFoundError(f"{path} is missing: run the stage `curate` (`dvc repro`), then train again")
    table = shards.read_table(path, COLUMNS)
    sample = pc.index_in(table["key"], value_set=keys)
    table = table.append_column("sample", sample).filter(pc.is_valid(sample))
    encoded = table["entity"].combine_chunks().dictionary_encode()
    rows = table["sample"].to_numpy()
    order = np.argsort(rows, kind="stable")
    offsets = np.searchsorted(rows[order], np.arange(len(keys) + 1))
    ids, shares = encoded.indices.to_numpy(), table["share"].to_numpy()
    return EntityTable(encoded.dictionary.to_pylist(), offsets, ids[order], shares[order])


class PairDrawer:
    """Partners of samples within the windows of one worker's plan."""

    def __init__(self, plan: StreamPlan, entities: EntityTable, seed: tuple[int, ...]) -> None:
        self.plan, self.entities, self.seed = plan, entities, seed
        self._window: tuple[int, int] | None = None
        self._shown: dict[int, np.ndarray] = {}  # entity -> samples of the window
        self._samples = np.zeros(0, np.int64)

    def draw(self, position: int) -> tuple[int, str]:
        """The partner of the sample at `position` and the entity that both show.

        The entity is drawn by its share, rare ones more often; where nothing else in the window shows it, the
        next one is tried. An image without any partner gets a random one of the window, and "".
        """
        self._move_to(self.plan.window_at(position))
        sample = self.plan.sample(position)
        random = np.random.default_rng((*self.seed, position))
        here = slice(*self.entities.offsets[sample : sample + 2])
        ids, shares = self.entities.ids[here], self.entities.shares[here]
        # weighted order without replacement (Efraimidis and Spirakis)
        order = np.argsort(-(random.random(len(ids)) ** (1 / np.maximum(shares, 1e-9))))
        for entity in ids[order]:
            others = self._shown[int(entity)]
            if len(others) > 1:
                place = int(np.searchsorted(others, sample))
                return int(
                    others[(place + random.integers(1, len(others))) % len(others)]
                ), self.entities.names[entity]
        return int(random.choice(self._samples)), ""

    def _move_to(self, window: tuple[int, int]) -> None:
        if window == self._window:
            return
        self._window = window
        epoch = self.plan.epoch(window[0])
        samples = self._samples = np.sort(epoch.samples[epoch.windows == window[1]])
        starts, ends = self.entities.offsets[samples], self.entities.offsets[samples + 1]
        owner = np.repeat(samples, ends - starts)
        places = np.concatenate(
            [np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [np.zeros(0, int)]
        )
        ids = self.entities.ids[places.astype(np.int64)]
        order = np.argsort(ids, kind="stable")  # by entity, then by sample
        present, cuts = np.unique(ids[order], return_index=True)
        parts = np.split(owner[order], cuts[1:])
        self._shown = dict(zip(present.tolist(), parts, strict=False))  # no entity: one empty part


def num_partners(part_size: int, share: float) -> int:
    """Partners in a forward pass of `part_size` images; at most half of them."""
    return min(round(part_size * share), part_size // 2)
