"""One task per shard over a pool of Ray actors: retried when an actor dies, skipped when it is done."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from pipelines.cluster import on_cluster

logger = logging.getLogger(__name__)
R = TypeVar("R")
MAX_RESTARTS = 3  # of one actor; a shard that kills its actor every time fails the stage after this


class ShardWorker(Protocol):
    """An ordinary class: built once in its actor, then called with one shard after another."""

    def __call__(self, shard: str) -> Any:
        """Read the shard, write its output atomically, return a small report."""


@dataclass(frozen=True, kw_only=True)
class ActorResources:
    """What one actor of a pool occupies."""

    actors: int
    num_cpus: float = 1
    num_gpus: float = 0


def map_shards(
    make_worker: Callable[[], ShardWorker], tasks: Sequence[str], resources: ActorResources, label: str
) -> list[Any]:
    """Call a worker with every shard, in parallel, and return the reports in the order of `tasks`.

    `make_worker` runs in the actor, so weights and pipelines never travel with a task. A task whose
    actor was killed runs again on a fresh one, so a worker may see a shard twice: its writes are
    atomic, and the second one writes the same bytes. Needs a running Ray (`cluster.connect`).
    """
    import ray

    if not tasks:
        return []
    actor_class: Any = ray.remote(
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
        max_restarts=MAX_RESTARTS,
        max_task_retries=MAX_RESTARTS,
    )(_Actor)
    number = min(resources.actors, len(tasks), most_actors(resources))
    pool: list[Any] = [actor_class.remote(make_worker) for _ in range(number)]
    # An actor gets a shard when it has its CPUs: until then another stage's may have them.
    starting = {actor.ready.remote(): actor for actor in pool}
    reports: dict[int, Any] = {}
    waiting = list(enumerate(tasks))[::-1]
    running: dict[Any, tuple[int, Any]] = {}
    try:
        with tqdm(total=len(tasks), desc=label, unit="shard") as bar:
            while waiting or running:
                (done,), _ = ray.wait([*running, *starting], num_returns=1)
                if done in starting:
                    actor = starting.pop(done)
                else:
                    index, actor = running.pop(done)
                    reports[index] = result_of(done)
                    bar.update()
                if waiting:
                    index, shard = waiting.pop()
                    running[actor.run.remote(shard)] = (index, actor)
    finally:
        for actor in pool:
            ray.kill(actor)
    return [reports[index] for index in range(len(tasks))]


def most_actors(resources: ActorResources) -> int:
    """How many actors have room on this machine."""
    import ray

    if on_cluster():  # which may grow
        return resources.actors
    free = ray.cluster_resources()
    needs = (("CPU", resources.num_cpus), ("GPU", resources.num_gpus))
    return max(1, min(int(free.get(kind, 0) // each) if each else resources.actors for kind, each in needs))


class _Actor:
    """Builds its worker with the first shard: an error there then reaches the caller as what it is."""

    def __init__(self, make_worker: Callable[[], ShardWorker]) -> None:
        self.make_worker = make_worker
        self.worker: ShardWorker | None = None

    def ready(self) -> None:
        """Answers as soon as the actor has its place."""

    def run(self, shard: str) -> Any:
        if self.worker is None:
            self.worker = self.make_worker()
            # What was imported and built lives as long as the actor: no collection walks through it again.
            gc.freeze()
        return self.worker(shard)


def result_of(reference: Any) -> Any:
    """A task's report.

    Raises:
        ParamError: as the worker raised it, without the trace of another process around it.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ParamError):
            raise error.cause from None
        raise


def account(
    log: RunLog, reports: Sequence[dict[str, int]], tables: Sequence[str], section: str, max_bad: float
) -> None:
    """Enter this run's images, and what the shards of all tables dropped, also in earlier runs.

    Raises:
        ParamError: when more than `max_bad` of all images were unusable. Labels that could be made are kept.
    """
    counts: Counter[str] = Counter()
    for path in tables:
        counts.update(shards.report_of(path))
    images = counts.pop("images", 0)
    log.items, log.unit = sum(report["images"] for report in reports), "images"
    log.facts |= {"shards": len(reports), "shards_kept": len(tables) - len(reports)}
    log.drops.update(counts)
    if counts.total() > max_bad * images:
        raise ParamError(
            f"{section}.max_bad is {max_bad}, but {counts.total()} of {images} images could not be labelled: "
            f"{dict(counts)}"
        )
