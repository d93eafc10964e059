"""`ovseg parse` on many captions: two workers beside one, in wall-clock and in CPU seconds, and memory.

Usage: `python -m benchmarks.parse FILE [--captions 1000000] [--rounds 5]`. Captions are made of halves of
those of FILE, so that there are as many distinct ones as asked for; all times include the start.

A round runs one worker, two workers, and, as a control, two commands of one worker at the same time, each on
half of the captions: two workers cannot do better than they, and on a machine that is busy, or whose cores
are shared with others, they are far from twice as fast as one. Two workers that take the CPU seconds of the
control lose nothing of what the machine gives. With free cores a command takes as long as its busiest
process. Printed are medians over the rounds, and the resident peak of the largest process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.text import read_captions

COMMAND = """
import resource, sys
from pipelines.cli import main
main(sys.argv[1:])
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own.ru_utime + own.ru_stime, others.ru_utime + others.ru_stime, max(own.ru_maxrss, others.ru_maxrss))
"""


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


class Cost(NamedTuple):
    """What a command took."""

    wall: float  # seconds
    parent: float  # CPU seconds of the process itself
    workers: float  # CPU seconds of those that it started
    peak: float  # MB, of the largest process


def start(captions: Path, output: Path, workers: int) -> tuple[float, subprocess.Popen[str]]:
    """The command in a process of its own, which prints what it and its workers took when it has ended."""
    arguments = ["parse", str(captions), "--output", str(output), "--workers", str(workers)]
    command = [sys.executable, "-c", COMMAND, *arguments]
    return time.perf_counter(), subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def wait(begun: float, process: subprocess.Popen[str]) -> Cost:
    """What the command took, once it has ended."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"ovseg parse ended with {process.returncode}")
    parent, workers, peak = map(float, said.split())
    return Cost(time.perf_counter() - begun, parent, workers, peak / 1024)


def one_round(folder: Path) -> tuple[Cost, Cost, Cost]:
    """One worker, two workers, and two commands at once of half the captions each, as one of two workers."""
    one, two = (wait(*start(folder / "all.txt", folder / f"{n}.parquet", n)) for n in (1, 2))
    if (folder / "1.parquet").read_bytes() != (folder / "2.parquet").read_bytes():
        raise RuntimeError("two workers wrote other bytes than one")
    begun = [start(folder / f"half{i}.txt", folder / f"half{i}.parquet", 1) for i in (0, 1)]
    halves = [wait(*each) for each in begun]
    wall, cpu, peak = max(c.wall for c in halves), sum(c.parent for c in halves), max(c.peak for c in halves)
    return one, two, Cost(wall, 0.0, cpu, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_captions(folder / "all.txt", args.file, args.captions)
        for i in (0, 1):
            write_captions(folder / f"half{i}.txt", args.file, args.captions // 2, seed=1 + i)
        print(
            f"{args.captions:,} captions; other processes running before the start: {os.getloadavg()[0]:.1f}"
        )
        rounds = []
        for _ in range(args.rounds):
            rounds.append(one_round(folder))
            one, two, halves = rounds[-1]
            print(
                f"one worker {one.wall:.1f} s, {one.parent:.1f} of CPU; two {two.wall:.1f} s, CPU: parent "
                f"{two.parent:.1f}, workers {two.workers:.1f}; two commands at once {halves.wall:.1f} s, "
                f"{halves.workers:.1f} of CPU",
                flush=True,
            )
    report(rounds)


def report(rounds: list[tuple[Cost, Cost, Cost]]) -> None:
    """Print the medians of the ratios."""
    ratios = {
        "wall clock: two workers are {:.2f} times as fast as one": [a.wall / b.wall for a, b, _ in rounds],
        "wall clock: two commands at once are {:.2f} times as fast": [a.wall / c.wall for a, _, c in rounds],
        "CPU: one worker takes {:.2f} times what the busiest of two takes": [
            a.parent / max(b.parent, b.workers / 2) for a, b, _ in rounds
        ],
        "CPU: two workers and their parent take {:.2f} times what two commands at once take": [
            (b.parent + b.workers) / c.workers for _, b, c in rounds
        ],
        "CPU: the parent takes {:.3f} of what one worker takes": [b.parent / a.parent for a, b, _ in rounds],
    }
    for line, values in ratios.items():
        print(f"{line.format(median(values))} ({min(values):.3f} to {max(values):.3f})")
    print(f"largest process {max(cost.peak for costs in rounds for cost in costs):.0f} MB")


if __name__ == "__main__":
    main()
