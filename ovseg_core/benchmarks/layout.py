"""Finding the files of a data set in the layouts that the field keeps it in, and naming what is missing."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import (
    Background,
    Benchmark,
    BenchmarkError,
    Source,
    check_there,
    content_of,
    distinct,
)
from ovseg_core.benchmarks.label_files import Decoder, LabelFiles, grey
from ovseg_core.text.categories import kind_of

NUMBERED = re.compile(r"\d+\s*:\s*")  # "12: accordion", as PASCAL Context lists its names


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The classes of a benchmark, as its reader knows them."""

    names: Sequence[str]  # one entry per class, synonyms by comma
    things: Sequence[int] | None = None  # None: all of them
    background: Background | None = None
    subsets: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        """thing or stuff, per class; a background is stuff."""
        things = set(range(len(self.names)) if self.things is None else self.things)
        things -= {self.background.index} if self.background else set()
        return ["thing" if index in things else "stuff" for index in range(len(self.names))]


def things_by_name(names: Sequence[str]) -> list[int]:
    """Which classes are things, by the last words of their names, where a data set does not say."""
    return [index for index, name in enumerate(names) if kind_of(name) == "thing"]


def find(root: str, places: Sequence[str], needed: str) -> str:
    """The first of the places below `root` that holds the file or folder `needed`; "" is `root` itself.

    Raises:
        BenchmarkError: naming the file where it is expected first, and the other places.
    """
    folders = [files.join(root, place) if place else root for place in places]
    for folder in folders:
        if files.exists(files.join(folder, needed)):
            return folder
    also = f" (looked in {', '.join(folders[1:])} too)" if folders[1:] else ""
    raise BenchmarkError(f"{files.join(folders[0], needed)} is missing{also}")


def lines(path: str) -> list[str]:
    """The lines of a text file that hold something."""
    return [
        line.strip()
        for line in content_of(path, "it describes").decode("utf-8-sig").splitlines()
        if line.strip()
    ]


def stems(folder: str, suffix: str) -> list[str]:
    """Names of the files that end in `suffix`, without it."""
    return [path.rpartition("/")[2].removesuffix(suffix) for path in files.listing(folder, suffix)]


def read_names(path: str) -> list[str]:
    """Class names from a file: a JSON list, or a name a line, with or without its number (`12: accordion`).

    Raises:
        BenchmarkError: naming the file, when it holds no names.
    """
    if path.endswith(".json"):
        try:
            names = json.loads(content_of(path, "it names"))
        except ValueError as error:
            raise BenchmarkError(f"{path} is not valid JSON: {error}") from error
    else:
        names = [NUMBERED.sub("", line, count=1) for line in lines(path)]
    if (
        not isinstance(names, list)
        or not names
        or not all(isinstance(n, str) and n.strip(" ,") for n in names)
    ):
        raise BenchmarkError(
            f"{path} has to hold class names: a JSON list, or a name a line, synonyms by comma"
        )
    return [name for name in names if name != "invalid_class_id"]  # as some lists call label 0


def of_label_files(
    name: str,
    paths: Mapping[str, tuple[str, str]],
    where: str,
    classes: Classes,
    protocol: str,
    table: np.ndarray | None = None,
    decode: Decoder = grey,
) -> Benchmark:
    """A benchmark of images with a file of labels each, all of them known to be there.

    Raises:
        BenchmarkError: naming the first file that is missing, or `where` when it names no image.
    """
    ids = distinct(list(paths), where)
    for part in zip(*paths.values(), strict=True):
        check_there(part, where)
    return benchmark(name, ids, LabelFiles(paths, where, table, decode), classes, protocol)


def benchmark(name: str, ids: Sequence[str], source: Source, classes: Classes, protocol: str) -> Benchmark:
    """A benchmark of a reader; without held-out scenes."""
    return Benchmark(
        name=name,
        names=list(classes.names),
        kinds=classes.kinds,
        background=classes.background,
        held_out=frozenset(),
        subsets={subset: list(indices) for subset, indices in classes.subsets.items()},
        protocol=protocol,
        ids=list(ids),
        source=source,
    )
