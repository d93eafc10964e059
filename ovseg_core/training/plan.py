"""Which samples a worker sees at which step: pure functions of (seed, epoch, rank, world, samples), so that
training goes on from any step without decoding what came before.

An epoch visits every shard once, in a new order. That sequence is cut into one contiguous span per worker,
all of one length, so a worker opens about shards / world + 1 shards. Inside its span, windows of a few shards
are shuffled together: only a window has to be in memory.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Epoch:
    """One worker's visits in one epoch."""

    samples: np.ndarray  # (m,) index of the sample visited at each position
    windows: np.ndarray  # (m,) number of the window that the position lies in, rising from 0


class StreamPlan:
    """The endless sequence of one worker's visits to one stream of samples. Position 0 is the first visit."""

    def __init__(
        self, shard_of: np.ndarray, seed: tuple[int, ...], rank: int, world: int, window: int
    ) -> None:
        """Args: shard_of (n,) shard number of each sample; window: shards that are shuffled together."""
        if len(shard_of) < world:
            raise ValueError(f"{len(shard_of)} samples cannot be shared by {world} workers")
        self.shard_of, self.seed, self.window = np.asarray(shard_of), seed, window
        self.rank = rank
        self.per_epoch = len(shard_of) // world  # the remainder, below `world` samples, sits this epoch out
        self._epochs: dict[int, Epoch] = {}

    def epoch(self, number: int) -> Epoch:
        """The visits of one epoch; the last two asked for are kept."""
        if number not in self._epochs:
            self._epochs = {k: v for k, v in self._epochs.items() if k == number - 1}
            self._epochs[number] = self._draw(number)
        return self._epochs[number]

    def _draw(self, number: int) -> Epoch:
        random = np.random.default_rng((*self.seed, number))
        place = random.permutation(self.shard_of.max() + 1)[self.shard_of]  # of each sample's shard this time
        within, again = random.random((2, len(place)))
        # Rows are shuffled inside their shard first: where two workers share a shard, both get a fair draw of
        # it.
        sequence = np.lexsort((within, place))
        span = sequence[self.rank * self.per_epoch : (self.rank + 1) * self.per_epoch]
        windows = np.cumsum(np.diff(place[span], prepend=place[span[0]]) != 0) // self.window
        order = np.lexsort((again[span], windows))
        return Epoch(samples=span[order], windows=windows[order])

    def sample(self, position: int) -> int:
        """Index of the sample visited at `position`."""
        number, place = divmod(position, self.per_epoch)
        return int(self.epoch(number).samples[place])

    def window_at(self, position: int) -> tuple[int, int]:
        """(epoch, window) that `position` lies in."""
        number, place = divmod(position, self.per_epoch)
        return number, int(self.epoch(number).windows[place])

    def shards_in(self, epoch: int, window: int) -> list[int]:
        """Shards of a window; one past the last window of an epoch is the first of the next epoch."""
        visits = self.epoch(epoch)
        if window > visits.windows[-1]:
            visits, window = self.epoch(epoch + 1), 0
        first, last = np.searchsorted(visits.windows, [window, window + 1])
        return sorted({int(s) for s in self.shard_of[visits.samples[first:last]]})


def positions(part: int, size: int, share: float) -> tuple[range, range]:
    """Positions in the labelled and the captioned stream that the `part`-th forward pass of a worker visits.

    `size` images in all, of which `share` are labelled; where that is no whole number, it holds on average.
    """
    before, after = (math.floor(p * size * share + 1e-6) for p in (part, part + 1))
    return range(before, after), range(part * size - before, (part + 1) * size - after)


def parts(step: int, accumulate: int) -> Iterator[int]:
    """Numbers of the forward passes that make up one step."""
    yield from range(step * accumulate, (step + 1) * accumulate)


def seed_of(*numbers: int) -> int:
    """A 63-bit seed for torch from whole numbers such as (seed, part, rank)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
