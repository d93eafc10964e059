"""A function over numbers, in processes where there are many: scenes are drawn so."""

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
PROCESSES = min(os.cpu_count() or 1, 16)
CHUNK = 50  # numbers of a task
FEW = 500  # are done sooner here than processes start


def spread(function: Callable[[int], T], count: int, processes: int = PROCESSES) -> Iterator[T]:
    """`map(function, range(count))`, whose results depend on nothing but the number.

    The function has to be importable (a partial of one is). Processes end with this one, however it dies.
    """
    if processes == 1 or count <= FEW:
        yield from map(function, range(count))
        return
    context, waiting = multiprocessing.get_context("spawn"), deque[Future[list[T]]]()
    with ProcessPoolExecutor(processes, context, _end_with, (os.getpid(),)) as pool:
        for first in range(0, count, CHUNK):
            waiting.append(pool.submit(_chunk, function, first, min(first + CHUNK, count)))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _chunk(function: Callable[[int], Any], first: int, last: int) -> list[Any]:
    return [function(number) for number in range(first, last)]


def _end_with(parent: int) -> None:
    """A killed parent closes no pipe that its children hold too, so they look for themselves."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
