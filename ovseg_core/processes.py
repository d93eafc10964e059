"""Work in processes of this machine whose results come in order."""

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")
PROCESSES = min(os.cpu_count() or 1, 16)
CHUNK = 50  # numbers of a task
FEW = 500  # are done sooner here than processes start


def in_order(
    function: Callable[[S], T],
    tasks: Iterable[S],
    processes: int,
    start: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> Iterator[T]:
    """`map(function, tasks)` in spawned processes, a few tasks ahead, so that memory does not grow.

    The function has to be importable (a partial of one is). Each process calls `start(*given)` first, and
    ends with this one, however it dies.
    """
    context, waiting = multiprocessing.get_context("spawn"), deque[Future[T]]()
    with ProcessPoolExecutor(processes, context, _begin, (os.getpid(), start, given)) as pool:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def map_numbers(function: Callable[[int], T], count: int, processes: int = PROCESSES) -> Iterator[T]:
    """`map(function, range(count))`, in processes where that is sooner."""
    if processes == 1 or count <= FEW:
        yield from map(function, range(count))
        return
    chunks = (range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK))
    for results in in_order(partial(_each, function), chunks, processes):
        yield from results


def _each(function: Callable[[int], T], numbers: range) -> list[T]:
    return [function(number) for number in numbers]


def _begin(parent: int, start: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if start:
        start(*given)


def _end_with(parent: int) -> None:
    """A killed parent closes no pipe that its children hold too, so they look for themselves."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
