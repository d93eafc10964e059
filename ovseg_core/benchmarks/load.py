"""A benchmark by its name and the folder of its data; what is missing is named, and where it comes from."""

from dataclasses import replace
from pathlib import Path

from ovseg_core import files
from ovseg_core.benchmarks import folder
from ovseg_core.benchmarks.benchmark import Benchmark, BenchmarkError
from ovseg_core.benchmarks.boxes import BoxBenchmark
from ovseg_core.benchmarks.layout import read_names
from ovseg_core.benchmarks.registry import BENCHMARKS

REGIONS = "regions:"  # prefix: segments for a truth, without names


def load(name: str, data: Path | str, names: str | None = None) -> Benchmark | BoxBenchmark:
    """A benchmark in the folder `data`.

    Args:
        name: of BENCHMARKS; `regions:` before it takes the segments of its truth without their names
            (OpenSeg, Table 6). Also a benchmark of the graph, a folder of that name below `data`.
        names: a file of class names to ask for instead, in the order of the classes.

    Raises:
        BenchmarkError: for an unknown name, and for what is missing or broken: with the file, the layout
            and where the data come from.
    """
    plain, root = name.removeprefix(REGIONS), str(data).rstrip("/")
    if plain not in BENCHMARKS:
        if not files.exists(files.join(root, plain, "benchmark.json")):
            raise BenchmarkError(
                f"benchmark is {name!r}; known: {', '.join(BENCHMARKS)}, each also as {REGIONS}NAME, and "
                f"folders with a benchmark.json below {root}"
            )
        found: Benchmark | BoxBenchmark = folder.read(files.join(root, plain))
    else:
        found = _read(plain, root)
    if names:
        found = _renamed(found, names)
    if name == plain:
        return found
    if isinstance(found, BoxBenchmark):
        raise BenchmarkError(f"benchmark is {name!r}; {plain} has boxes, not segments of the whole image")
    return found.regions()


def _read(name: str, root: str) -> Benchmark | BoxBenchmark:
    entry = BENCHMARKS[name]
    try:
        if not files.exists(root):
            raise BenchmarkError(f"{root} is missing")
        return entry.read(root)
    except BenchmarkError as error:
        raise BenchmarkError(
            f"{error}. {entry.title} needs {entry.layout}; it comes from {entry.source}"
        ) from error
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"{entry.title} in {root}: an entry of the annotations lacks {error}") from error


def _renamed(benchmark: Benchmark | BoxBenchmark, path: str) -> Benchmark | BoxBenchmark:
    given = read_names(path)
    index = benchmark.background.index if isinstance(benchmark, Benchmark) and benchmark.background else None
    classes = [place for place in range(len(benchmark.names)) if place != index]
    if len(given) == len(benchmark.names):
        classes = list(range(len(given)))
    if len(given) != len(classes):
        raise BenchmarkError(f"{path} has {len(given)} names; {benchmark.name} has {len(classes)} classes")
    named = list(benchmark.names)
    for place, entry in zip(classes, given, strict=True):
        named[place] = entry
    return replace(benchmark, names=named)
