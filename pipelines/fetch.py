"""Runs img2dataset in a child process group: continued where it was, watched, and never left behind."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ovseg_core import files
from ovseg_core.records import BadSample

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
CHILDREN = 2  # the first, and one more after it hung, died or left a shard out
POLL_S = 0.2
GROUP_POLLS = 10
STARTUP_S = 300  # until the first request has ended: imports, and cutting the list into shards
NAMED = 20  # missing shards that a message names
LOG_TAIL = 15  # lines of the child's output that a failure shows


class DownloadError(RuntimeError):
    """The download did not end as it should; what it fetched stays, and a rerun continues."""


class Fetch:
    """One list cut into shards that are fetched into `folder`, each handed over once when it is whole.

    Args:
        folder: working folder; it survives kills, and is this list's own.
        sizes: rows of each shard.
        done: shards that are not to be fetched.
        order: arguments of `img2dataset.download` but for the folder, and the addresses to allow.
        stall_s: without progress for so long the child counts as hung.
    """

    def __init__(
        self, folder: Path, sizes: list[int], done: set[int], order: dict[str, Any], stall_s: float
    ) -> None:
        self.folder, self.sizes, self.stall_s = folder, sizes, stall_s
        self.shards, self.beats = folder / "shards", folder / "beats"
        self.shards.mkdir(parents=True, exist_ok=True)
        tool = {**order["tool"], "output_folder": str(self.shards)}
        files.write_json(folder / "order.json", {**order, "tool": tool, "beats": str(self.beats)})
        self.done = set(done)
        for shard in done:  # img2dataset skips a shard that has this file
            self.marker(shard).write_text("{}")
        self.startup_s = 0.0

    def marker(self, shard: int) -> Path:
        """The file by which img2dataset knows that a shard is finished."""
        return self.shards / f"{shard:05d}_stats.json"

    def stem(self, shard: int) -> Path:
        """Path of a shard's tar and parquet, without the suffix."""
        return self.shards / f"{shard:05d}"

    def run(self, on_shard: Callable[[int], None]) -> None:
        """Fetch until every shard went through `on_shard`, which raises BadSample for one that is not whole.

        Raises:
            DownloadError: naming the shards that are missing after the child was started again.
        """
        self.collect(on_shard)  # what an earlier run finished
        with tqdm(total=sum(self.sizes), desc="download", unit="URL", mininterval=0.5) as bar:
            for attempt in range(CHILDREN):
                if len(self.done) == len(self.sizes):
                    break
                if attempt:
                    logger.warning("starting img2dataset again: %s", self.missing())
                self.beats_reset()
                with self.child() as child:
                    self.watch(child, on_shard, bar)
                self.collect(on_shard)
            bar.update(sum(self.sizes[shard] for shard in self.done) - bar.n)
        if len(self.done) < len(self.sizes):
            raise DownloadError(
                f"{self.missing()}; run again to continue. img2dataset said last:\n{self.tail()}"
            )

    def missing(self) -> str:
        """Which shards are not there, in words."""
        shards = sorted(set(range(len(self.sizes))) - self.done)
        rows = sum(self.sizes[shard] for shard in shards)
        named = ", ".join(map(str, shards[:NAMED])) + (", ..." if len(shards) > NAMED else "")
        return f"shards {named} ({rows} URLs) of {len(self.sizes)} are missing"

    @contextmanager
    def child(self) -> Iterator[subprocess.Popen]:
        """img2dataset in a process group of its own, which ends with the block, and with this process."""
        search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with (self.folder / "img2dataset.log").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "pipelines.fetch_child", str(self.folder / "order.json")],
                stdin=subprocess.PIPE,  # its other end closes when this process dies, however that happens
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": search, "NO_ALBUMENTATIONS_UPDATE": "1"},
                start_new_session=True,
            )
        try:
            yield child
        finally:
            kill_group(child)

    def watch(self, child: subprocess.Popen, on_shard: Callable[[int], None], bar: tqdm) -> None:
        """Hand shards over as they finish, until all are there or the child ends or hangs."""
        before = sum(self.sizes[shard] for shard in self.done)
        seen, since, started = 0, time.monotonic(), time.monotonic()
        while not has_ended(child) and len(self.done) < len(self.sizes):
            time.sleep(POLL_S)
            self.collect(on_shard)
            count = sum(path.stat().st_size for path in self.beats.iterdir())
            if count and not seen:
                self.startup_s = self.startup_s or time.monotonic() - started
            if count > seen:
                seen, since = count, time.monotonic()
                bar.update(max(0, min(before + count, bar.total) - bar.n))
            if time.monotonic() - since > (self.stall_s if seen else max(self.stall_s, STARTUP_S)):
                logger.warning("no request ended for %.0f s: img2dataset hangs", time.monotonic() - since)
                return

    def collect(self, on_shard: Callable[[int], None]) -> None:
        """Hand over every shard that was finished since the last call; one that is not whole is deleted."""
        for marker in sorted(self.shards.glob("*_stats.json")):
            shard = int(marker.name.split("_")[0])
            if shard in self.done:
                continue
            try:
                on_shard(shard)
                self.done.add(shard)
            except BadSample as error:
                logger.warning("fetching shard %d again: %s", shard, error)
                self.discard(shard)
                marker.unlink()

    def discard(self, shard: int) -> None:
        """Delete a shard's tar and parquet, when they are not needed any more."""
        for suffix in (".tar", ".parquet"):
            Path(f"{self.stem(shard)}{suffix}").unlink(missing_ok=True)

    def beats_reset(self) -> None:
        """Forget the progress of an earlier child."""
        shutil.rmtree(self.beats, ignore_errors=True)
        self.beats.mkdir()

    def tail(self) -> str:
        """The last lines of the child's output."""
        lines = (self.folder / "img2dataset.log").read_text(errors="replace").replace("\r", "\n").splitlines()
        return "\n".join([line for line in lines if line.strip()][-LOG_TAIL:])


def has_ended(child: subprocess.Popen) -> bool:
    """Like `poll`, but leaves the dead child unreaped: until then no other process can have its number."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def kill_group(child: subprocess.Popen) -> None:
    """End a child and all that it started, and wait for them: they write to the files of the next one."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin:
        child.stdin.close()
    for _ in range(GROUP_POLLS):
        if not has_members(child.pid):
            break
        time.sleep(POLL_S)


def has_members(group: int) -> bool:
    """Whether a process of the group still runs. Orphans that nobody has reaped yet do not count (Linux)."""
    if not Path("/proc/self/stat").exists():
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            return True
        return False
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                return True
    return False
