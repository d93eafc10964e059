"""The process in which img2dataset downloads: `python -m pipelines.fetch_child ORDER.json`.

img2dataset itself is not changed. Around it, in this process and in the workers that it spawns (they import
this module again), stand: an address guard, bounds on what a server may send, a check of what is about to
be decoded, and the promise to die with the stage.
"""

import ctypes
import http.client
import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
import time
import types
import urllib.request
from pathlib import Path
from typing import Any

MAX_BYTES = 200_000_000  # of one answer
PATIENCE = 4  # an answer may trickle in for this many times `timeout`
PR_SET_PDEATHSIG = 1
UNUSED = ("ray", "torch", "huggingface_hub")  # imported along the way, at 5 s per process


def die_with_parent() -> None:
    """Kill the whole process group as soon as the other end of standard input is gone, that is, the stage.

    Every process of the group watches, because a signal to the parent alone would leave its workers. On
    Linux, the kernel kills this process when its own parent dies too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    stdin = os.dup(0)  # multiprocessing closes 0 in its workers, later

    def watch() -> None:
        os.read(stdin, 1)  # nothing is ever written: it returns at the end of file
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def skip_unused_imports(resize: str) -> None:
    """Keep packages out that img2dataset imports, but never uses with our settings."""
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails at once
    for name in ("wandb", *(["albumentations"] if resize == "no" else [])):  # imported without a fallback
        sys.modules[name] = types.ModuleType(name)


class BoundedStream(io.RawIOBase):
    """A stream that ends in an error when it gives too much or takes too long in all."""

    def __init__(self, stream: io.RawIOBase, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        self.stream, self.deadline, self.left = stream, time.monotonic() + seconds, max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError("the answer took too long")
        count = self.stream.readinto(buffer)
        self.left -= count or 0
        if self.left < 0:
            raise ValueError("the answer is too large")
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def bound_answers(seconds: float) -> None:
    """Let no HTTP answer take longer, headers included: a socket's timeout starts anew with every byte."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            raw = self.fp.detach()  # type: ignore[union-attr]
            self.fp = io.BufferedReader(BoundedStream(raw, seconds))

    http.client.HTTPConnection.response_class = Answer


def count_requests(folder: Path) -> None:
    """Add one byte to a file of this process for every request that has ended, for the stage to watch."""
    beats = os.open(folder / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    opened = urllib.request.urlopen

    def urlopen(*args: Any, **kwargs: Any) -> Any:
        try:
            return opened(*args, **kwargs)
        finally:
            os.write(beats, b".")

    urllib.request.urlopen = urlopen


class CheckedImages:
    """img2dataset's resizer, behind a check of what it would decode."""

    def __init__(self, **settings: Any) -> None:
        from img2dataset.resizer import Resizer

        self.resizer = Resizer(**settings)

    def __call__(self, stream: io.BytesIO, boxes: Any = None) -> tuple:
        from ovseg_core.records import BadSample
        from ovseg_core.web.fetched import checked_image

        try:
            content = checked_image(stream.getvalue())
        except BadSample as error:
            return None, None, None, None, None, str(error)
        return self.resizer(io.BytesIO(content), boxes)


class NoLogger:
    """In place of img2dataset's logging process, which takes seconds to start; the stage shows progress."""

    def __init__(self, *_: Any) -> None:
        self.done_shards: set[int] = set()

    def start(self) -> None: ...

    def join(self) -> None: ...

    def terminate(self) -> None: ...


def enclose(order: dict[str, Any]) -> None:
    """Everything that has to stand before img2dataset is imported."""
    die_with_parent()
    skip_unused_imports(order["tool"]["resize_mode"])
    bound_answers(PATIENCE * order["tool"]["timeout"])
    count_requests(Path(order["beats"]))
    from ovseg_core.web.safety import install_guard

    install_guard(order["allow"])


if __name__ in ("__main__", "__mp_main__"):  # the child, and each worker that multiprocessing spawns from it
    ORDER = json.loads(Path(sys.argv[1]).read_text())
    enclose(ORDER)

if __name__ == "__main__":
    tool = importlib.import_module("img2dataset.main")
    tool.LoggerProcess, tool.Resizer = NoLogger, CheckedImages  # type: ignore[attr-defined]
    tool.download(**ORDER["tool"])
