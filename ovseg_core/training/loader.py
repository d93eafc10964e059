"""Batches of the plan, read and decoded in the background a few steps ahead."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ovseg_core.records import BadSample, Batch
from ovseg_core.training.corpus import Stream
from ovseg_core.training.pairs import PairDrawer, num_partners
from ovseg_core.training.plan import StreamPlan, positions, seed_of
from ovseg_core.training.samples import Prepared, collate, decode, maps_of, prepare
from ovseg_core.training.settings import DataSettings
from ovseg_core.training.shard_cache import ShardCache

AHEAD = 4  # batches that wait ready-made
NO_PARTNER = (
    "no_partner"  # an image none of whose entities another image of its window shows; it stays in use
)


class UnusableData(Exception):
    """No sample can be used, or more than `data.max_bad` of them cannot."""


@dataclass
class Loaded:
    """One part of a step, with the samples that could not be used, by reason."""

    batch: Batch
    drops: Counter[str] = field(default_factory=Counter)


class StreamReader:
    """Prepared samples of one stream, by position in its plan."""

    def __init__(
        self, stream: Stream, plan: StreamPlan, settings: DataSettings, seed: int, cache: ShardCache
    ) -> None:
        self.stream, self.plan, self.settings, self.cache = stream, plan, settings, cache
        self.seed = (seed, int(stream.labelled))
        self.pairs = PairDrawer(plan, stream.entities, self.seed) if stream.entities else None
        self._window: tuple[int, int] | None = None

    def move_to(self, position: int) -> None:
        """Have the shards of this position's window in memory, and those of the next one on their way."""
        window = self.plan.window_at(position)
        if window != self._window:
            epoch, number = self._window = window
            numbers = [*self.plan.shards_in(epoch, number), *self.plan.shards_in(epoch, number + 1)]
            self.cache.want(self.stream.shards[n] for n in dict.fromkeys(numbers))

    def read(self, position: int) -> tuple[Prepared, str]:
        """The sample at `position` and "", or the next usable one of the plan and why the first was not.

        Raises:
            UnusableData: when a whole epoch of samples is unusable.
        """
        reason = ""
        for place in range(position, position + self.plan.per_epoch):
            try:
                return self._prepare(place), reason
            except BadSample as error:
                reason = reason or error.reason
        raise UnusableData(f"no sample of {self.stream.shards[0]} and its like can be used: {reason}")

    def partner(self, position: int, index: int, entity: str) -> tuple[Prepared, str, str]:
        """The partner that was drawn for the image at `position`, the entity, and why there is none.

        Where the window holds no other such image it is a random one, and the entity is "".
        """
        try:
            return self._sample(index, (*self.seed, position, 1)), entity, "" if entity else NO_PARTNER
        except BadSample as error:
            sample, _ = self.read(position)
            return sample, "", error.reason

    def is_at(self, sample: Prepared, position: int) -> bool:
        """Whether this is the sample that the plan has at `position`, not one in its place."""
        return bool(self.stream.keys[self.plan.sample(position)].as_py() == sample.key)

    def _prepare(self, position: int) -> Prepared:
        return self._sample(self.plan.sample(position), (*self.seed, position))

    def _sample(self, index: int, seed: tuple[int, ...]) -> Prepared:
        shard = self.cache.get(self.stream.shards[self.stream.shard_of[index]])
        key, words = self.stream.keys[index].as_py(), self.stream.words[index].as_py()
        maps = maps_of(shard, int(self.stream.rows[index]), key)
        sample = shard.decoded.get(key)
        if sample is None:
            sample = decode(shard, key, self.settings)
            self.cache.keep(shard, key, sample)
        made = prepare(sample, maps, key, words, self.settings, seed)
        if self.stream.nouns is not None:
            made.nouns = self.stream.nouns[index].as_py()
        if self.stream.entities is not None:
            made.entities = self.stream.entities.of(index)
        return made


class Loader:
    """The batches of one worker: a set share from the labelled stream, the rest from the captioned one."""

    def __init__(
        self, readers: dict[bool, StreamReader], part_size: int, label_names: list[str], seed: tuple[int, ...]
    ) -> None:
        self.readers, self.part_size, self.label_names, self.seed = readers, part_size, label_names, seed
        self.settings: DataSettings = next(iter(readers.values())).settings

    def load(self, part: int, threads: ThreadPoolExecutor) -> Loaded:
        """The batch of one forward pass. Nothing in it depends on the parts before or on the threads."""
        partners = num_partners(self.part_size, self.settings.pairs)
        labelled, captioned = positions(part, self.part_size - partners, self.settings.labelled_share)
        visits = [(self.readers[True], p) for p in labelled] + [(self.readers[False], p) for p in captioned]
        for places, kind in ((labelled, True), (captioned, False)):
            if places:
                self.readers[kind].move_to(places[0])
        read = self._spread(threads, lambda visit: visit[0].read(visit[1]), visits)
        anchors = [captioned[i % len(captioned)] for i in range(partners)]
        drawn = [(place, *self._pairs.draw(place)) for place in anchors]  # by one thread: it keeps a window
        others = self._spread(threads, lambda one: self.readers[False].partner(*one), drawn)
        samples = [sample for sample, _ in read] + [sample for sample, _, _ in others]
        batch = collate(samples, self.label_names, self.settings, seed_of(*self.seed, part))
        self._join(
            batch,
            [(place, entity) for place, (_, entity, _) in zip(anchors, others, strict=True)],
            samples,
            len(labelled),
        )
        reasons = [reason for _, reason in read] + [reason for _, _, reason in others]
        return Loaded(batch, Counter(reason for reason in reasons if reason))

    @property
    def _pairs(self) -> PairDrawer:
        pairs = self.readers[False].pairs
        assert pairs
        return pairs

    def _spread(self, threads: ThreadPoolExecutor, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        """`work` of every item, in order, by all threads."""
        count = self.settings.threads
        done = list(
            threads.map(lambda some: [work(item) for item in some], [items[i::count] for i in range(count)])
        )
        return [done[i % count][i // count] for i in range(len(items))]

    def _join(
        self, batch: Batch, drawn: list[tuple[int, str]], samples: list[Prepared], num_labelled: int
    ) -> None:
        """Say who is whose partner. Partners stand at the end, in the order of the captioned images."""
        batch.partner, batch.shared = [-1] * len(samples), [""] * len(samples)
        reader = self.readers.get(False)
        if reader and reader.stream.entities:
            batch.entity_names = reader.stream.entities.names
        for number, (place, entity) in enumerate(drawn):
            one, other = num_labelled + number, len(samples) - len(drawn) + number
            if entity and reader and reader.is_at(samples[one], place):
                batch.partner[one], batch.partner[other] = other, one
                batch.shared[one] = batch.shared[other] = entity

    def batches(self, first: int, last: int) -> Generator[Loaded, None, None]:
        """Parts `first` to `last - 1`, prepared up to AHEAD parts in advance."""
        with ThreadPoolExecutor(self.settings.threads, "decode") as threads:
            yield from in_background(lambda: (self.load(part, threads) for part in range(first, last)))

    def close(self) -> None:
        """Stop loading shards."""
        for reader in self.readers.values():
            reader.cache.close()


def in_background(make: Callable[[], Iterator[Any]]) -> Generator[Any, None, None]:
    """The items of an iterator, made in a thread up to AHEAD items in advance; its errors are raised here."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(AHEAD)
    stopped = threading.Event()

    def put(kind: str, content: Any) -> bool:
        while not stopped.is_set():
            try:
                ready.put((kind, content), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in make():
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # handed to the consumer, whatever it is
            put("error", error)

    thread = threading.Thread(target=work, name="loader", daemon=True)
    thread.start()
    try:
        while True:
            kind, content = ready.get()
            if kind == "error":
                raise content
            if kind == "end":
                return
            yield content
    finally:
        stopped.set()
        thread.join()
