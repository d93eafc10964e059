"""Reading and checking the description of a benchmark: every fault is named with its file before any work."""

from pathlib import Path
from typing import Any

from ovseg_core import files
from ovseg_core.evaluation.benchmark import SPLIT, Background, Benchmark, BenchmarkError, content_of
from ovseg_core.text.prompts import parse_classes

KEYS = {"name", "names", "kinds", "background", "held_out", "subsets", "protocol"}


def read(folder: Path | str) -> Benchmark:
    """The benchmark in `folder`, with its description checked and every file known to be there.

    Raises:
        BenchmarkError: naming the file at fault and what was expected of it.
    """
    path = files.join(folder, "benchmark.json")
    if not files.exists(path):
        near = [name.rsplit("/", 2)[-1] for name in files.listing(Path(str(folder)).parent, "")]
        raise BenchmarkError(f"{path} is missing; benchmarks beside it: {', '.join(near) or 'none'}")
    given = files.read_json(path)
    if not isinstance(given, dict) or given.keys() != KEYS:
        found = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise BenchmarkError(f"{path} holds {found}; it has to hold {sorted(KEYS)}")
    ids = _ids(folder)
    benchmark = Benchmark(
        folder=str(folder),
        name=str(given["name"]),
        names=_names(given, path),
        kinds=list(given["kinds"]),
        background=_background(given, path),
        held_out=frozenset(map(str, given["held_out"])),
        subsets={name: _indices(given, name, path) for name in given["subsets"]},
        protocol=str(given["protocol"]),
        ids=ids,
    )
    _check(benchmark, path)
    return benchmark


def _ids(folder: Path | str) -> list[str]:
    path = files.join(folder, SPLIT)
    ids = content_of(path, str(folder)).decode().split()
    if not ids:
        raise BenchmarkError(f"{path} is empty; it has to hold the ids of the images, one a line")
    if repeated := sorted({key for key in ids if ids.count(key) > 1}) if len(ids) != len(set(ids)) else []:
        raise BenchmarkError(f"{path} names {repeated[:3]} more than once; an image counts once")
    for sub, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        there = {name.rpartition("/")[2] for name in files.listing(files.join(folder, sub), suffix)}
        if missing := [key for key in ids if key + suffix not in there]:
            raise BenchmarkError(
                f"{files.join(folder, sub, missing[0] + suffix)} is missing, as are {len(missing) - 1} more "
                f"of the {len(ids)} that {path} names"
            )
    return ids


def _names(given: dict[str, Any], path: str) -> list[str]:
    names = given["names"]
    named = isinstance(names, list) and all(isinstance(name, str) and name.strip(", ") for name in names)
    if not named or not names:
        raise BenchmarkError(f"{path}: names is {names!r}; it has to be a list of class names, none empty")
    return list(names)


def _indices(given: dict[str, Any], subset: str, path: str) -> list[int]:
    index = {names[0]: i for i, names in enumerate(parse_classes(given["names"]))}
    index |= {name: i for i, name in enumerate(given["names"])}
    if unknown := [name for name in given["subsets"][subset] if name not in index]:
        raise BenchmarkError(f"{path}: subsets.{subset} has {unknown[:3]}, which are not among names")
    return sorted({index[name] for name in given["subsets"][subset]})


def _background(given: dict[str, Any], path: str) -> Background | None:
    rule = given["background"]
    if rule is None:
        return None
    known = isinstance(rule, dict) and rule.keys() == {"index", "names"}
    if not known or not isinstance(rule["index"], int) or not 0 <= rule["index"] < len(given["names"]):
        raise BenchmarkError(
            f"{path}: background is {rule!r}; accepted: null, or {{index, names}} with the index of a class "
            "and the names that are queried in its place (none: its pixels do not count)"
        )
    return Background(rule["index"], [name for names in parse_classes(rule["names"]) for name in names])


def _check(benchmark: Benchmark, path: str) -> None:
    kinds = benchmark.kinds
    if len(kinds) != len(benchmark.names) or set(kinds) - {"thing", "stuff"}:
        raise BenchmarkError(
            f"{path}: kinds has {len(kinds)} entries of {sorted(set(kinds))}; it has to say thing or stuff "
            f"for each of the {len(benchmark.names)} names"
        )
    objects = {name for index in benchmark.foreground for name in benchmark.queries[index]}
    if shared := sorted(objects & set(benchmark.background.names if benchmark.background else [])):
        raise BenchmarkError(f"{path}: background.names has {shared[:3]}, which are names of other classes")
    if stray := sorted(benchmark.held_out - set(benchmark.ids)):
        raise BenchmarkError(f"{path}: held_out has {stray[:3]}, which {SPLIT} does not name")
