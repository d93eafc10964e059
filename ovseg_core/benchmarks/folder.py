"""A benchmark as the graph writes it: PASCAL VOC's layout with a `benchmark.json` that says what labels mean.

    JPEGImages/{id}.jpg   SegmentationClass/{id}.png   ImageSets/Segmentation/val.txt   benchmark.json

A mask holds the class index of every pixel, an index into `names`; 255 is void, in a 16-bit mask 65535. Every
fault is named with its file before any work.
"""

from pathlib import Path
from typing import Any

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import (
    Background,
    Benchmark,
    BenchmarkError,
    check_there,
    content_of,
    distinct,
)
from ovseg_core.benchmarks.label_files import LabelFiles
from ovseg_core.text.prompts import parse_classes

KEYS = {"name", "names", "kinds", "background", "held_out", "subsets", "protocol"}
SPLIT = "ImageSets/Segmentation/val.txt"


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
    split = files.join(folder, SPLIT)
    ids = distinct(content_of(split, str(folder)).decode().split(), split)
    paths = {key: _paths(folder, key) for key in ids}
    for part in zip(*paths.values(), strict=True):
        check_there(part, split)
    benchmark = Benchmark(
        name=str(given["name"]),
        names=_names(given, path),
        kinds=list(given["kinds"]),
        background=_background(given, path),
        held_out=frozenset(map(str, given["held_out"])),
        subsets={name: _indices(given, name, path) for name in given["subsets"]},
        protocol=str(given["protocol"]),
        ids=ids,
        source=LabelFiles(paths, split),
    )
    _check(benchmark, path)
    return benchmark


def _paths(folder: Path | str, key: str) -> tuple[str, str]:
    return files.join(folder, "JPEGImages", f"{key}.jpg"), files.join(
        folder, "SegmentationClass", f"{key}.png"
    )


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
    return Background(rule["index"], tuple(name for names in parse_classes(rule["names"]) for name in names))


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
