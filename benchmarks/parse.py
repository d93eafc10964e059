"""`ovseg parse` on many captions: captions per second with one and two workers, and memory.

Usage: `python -m benchmarks.parse FILE [--captions 1000000]`. Captions are made of halves of those of FILE,
so that there are as many distinct ones as asked for. Wall-clock seconds, start of the processes included, say
something on an idle machine only; CPU seconds are those of all processes together, and memory is the resident
peak of the largest one.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.text import read_captions

WORKERS = (1, 2)


def write_captions(path: Path, source: Path, number: int, seed: int = 0) -> None:
    """The first half of one caption and the second half of another, a line each."""
    halves = [
        (words[: len(words) // 2], words[len(words) // 2 :])
        for words in map(str.split, read_captions(source))
    ]
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as handle:
        for first, second in rng.integers(len(halves), size=(number, 2)):
            handle.write(" ".join([*halves[first][0], *halves[second][1]]) + "\n")


def measure(captions: Path, output: Path, workers: int) -> float:
    """Seconds that the command takes, in processes of its own."""
    command = [sys.executable, "-m", "pipelines.cli", "parse", str(captions), "--output", str(output)]
    started = time.perf_counter()
    subprocess.run([*command, "--workers", str(workers)], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--captions", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        captions = Path(folder) / "captions.txt"
        write_captions(captions, args.file, args.captions)
        seconds = {}
        for workers in WORKERS:
            before = cpu_seconds()
            seconds[workers] = measure(captions, Path(folder) / f"{workers}.parquet", workers)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(
                f"{workers} workers: {args.captions:,} captions in {seconds[workers]:.1f} s, "
                f"{args.captions / seconds[workers]:,.0f}/s, {cpu_seconds() - before:.1f} CPU seconds; "
                f"largest process so far {peak:.0f} MB"
            )
        print(f"two workers are {seconds[1] / seconds[2]:.2f} times as fast as one")


if __name__ == "__main__":
    main()
