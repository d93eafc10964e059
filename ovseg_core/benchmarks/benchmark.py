"""A benchmark: images, what their pixels are, the names that a model is asked for, and the protocol.

Shape letters: H, W size of an image in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from ovseg_core import files
from ovseg_core.records import BadSample
from ovseg_core.shards import decode_image
from ovseg_core.text.prompts import parse_classes

VOID = 65535  # of every class map inside; no vocabulary is that large


class BenchmarkError(ValueError):
    """A benchmark that cannot be scored; the message names the file."""


@dataclass(frozen=True)
class Background:
    """Class `index` is what remains. One of three rules says when it is predicted.

    names: what is predicted as one of them (OpenSeg's rule for PASCAL VOC, Sec. 4.1). threshold: where the
    highest probability of all classes is below it (GroupViT, OVSegmentor, S-Seg). Neither: it is never
    predicted, and its pixels do not count.
    """

    index: int
    names: Sequence[str] = ()
    threshold: float | None = None

    @property
    def counts(self) -> bool:
        """Whether its pixels do."""
        return bool(self.names) or self.threshold is not None


class Source(Protocol):
    """Where the images and the truth of a benchmark lie."""

    @property
    def where(self) -> str:
        """What names the images, for messages."""

    def image_path(self, key: str) -> str:
        """The file of one image."""

    def truth_paths(self, key: str) -> list[str]:
        """The files that its truth is read from."""

    def class_map(self, key: str) -> np.ndarray:
        """(H, W) uint16 class indices, VOID where nothing is annotated."""

    def segments(self, key: str) -> np.ndarray:
        """(H, W) uint16 numbers of its segments, VOID outside; instances are apart where it knows them."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark. Class maps are (H, W) uint16, an index into `names` or VOID."""

    name: str
    names: list[str]  # one entry per class; synonyms by comma
    kinds: list[str]  # "thing" or "stuff", per class
    background: Background | None
    held_out: frozenset[str]  # ids of compositions that never occur in training
    subsets: dict[str, list[int]]  # class indices
    protocol: str  # in words, for the reader of a number
    ids: list[str]
    source: Source
    class_agnostic: bool = False  # the truth is segments without names: only proposals are scored

    @cached_property
    def queries(self) -> list[list[str]]:
        """Per class the names that a model is asked for; [] where the class is never predicted by name."""
        asked = parse_classes(self.names)
        if self.background:
            asked[self.background.index] = list(self.background.names)
        return asked

    @cached_property
    def foreground(self) -> list[int]:
        """Indices of the classes that are not the background."""
        skipped = self.background.index if self.background else None
        return [index for index in range(len(self.names)) if index != skipped]

    @cached_property
    def counted(self) -> list[int]:
        """Indices of the classes whose pixels count."""
        everything = self.background is None or self.background.counts
        return list(range(len(self.names))) if everything else self.foreground

    def of_kind(self, kind: str) -> list[int]:
        """Indices of the foreground classes of one kind."""
        return [index for index in self.foreground if self.kinds[index] == kind]

    def title(self, index: int) -> str:
        """The name of a class as tables show it: its first synonym."""
        return parse_classes(self.names)[index][0]

    def regions(self) -> "Benchmark":
        """The same images with segments for a truth and no names: what OpenSeg's Table 6 asks for."""
        note = "Segments of the truth without their names; recall of the proposals alone. " + self.protocol
        return replace(
            self, name=f"regions:{self.name}", names=[], kinds=[], background=None, subsets={}, protocol=note,
            class_agnostic=True,
        )  # fmt: skip

    def image(self, key: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        path = self.source.image_path(key)
        try:
            return decode_image(content_of(path, self.name))
        except BadSample as error:
            raise BenchmarkError(
                f"{path}: {error}; mend the image or take its id out of {self.source.where}"
            ) from error

    def truth(self, key: str, size: tuple[int, int] | None = None) -> np.ndarray:
        """(H, W) uint16 class map, or map of segments; `size` (H, W) is that of the image and is compared.

        Raises:
            BenchmarkError: naming the file, when it is missing or unreadable, has another size than the
                image, or a label beyond the names.
        """
        labels = self.source.segments(key) if self.class_agnostic else self.source.class_map(key)
        path = self.source.truth_paths(key)[0]
        if size is not None and labels.shape != size:
            raise BenchmarkError(
                f"{path} has {labels.shape[1]}x{labels.shape[0]} pixels and its image {size[1]}x{size[0]}; "
                "a mask has the size of its image"
            )
        if self.class_agnostic:
            return labels
        beyond = [label for label in classes_in(labels) if label >= len(self.names)]
        if beyond:
            raise BenchmarkError(
                f"{path} has label {beyond[0]}; {self.name} names {len(self.names)} classes, so labels "
                f"run from 0 to {len(self.names) - 1}, and 255 is void (65535 in a 16-bit mask)"
            )
        return labels

    def fingerprint(self) -> str:
        """Digest of everything that the scores depend on: the description and every image and mask."""
        about = [self.names, self.kinds, self.background, sorted(self.held_out), self.subsets, self.ids]
        paths = [self.source.image_path(key) for key in self.ids]
        paths += sorted({path for key in self.ids for path in self.source.truth_paths(key)})
        return files.fingerprint(about, [files.digest(path) for path in paths])


def classes_in(labels: np.ndarray) -> list[int]:
    """The classes of a class map, ascending, without void. Counts instead of sorting as np.unique does."""
    return np.flatnonzero(np.bincount(labels[labels != VOID])).tolist()


def content_of(path: str, needed_by: str) -> bytes:
    """The bytes of a file of a benchmark.

    Raises:
        BenchmarkError: it is missing.
    """
    try:
        return files.read_bytes(path)
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing; the benchmark {needed_by} needs it") from error


def check_there(paths: Sequence[str], named_by: str) -> None:
    """Compare paths with what lies in their folders, a listing for each folder.

    Raises:
        BenchmarkError: naming the first file that is missing and how many more are.
    """
    folders = {path.rpartition("/")[0] for path in paths}
    there = {path for folder in folders for path in files.listing(folder, "")}
    if missing := [path for path in paths if path not in there]:
        raise BenchmarkError(
            f"{missing[0]} is missing, as are {len(missing) - 1} more of the {len(paths)} that {named_by} "
            "names"
        )


def distinct(ids: Sequence[str], path: str) -> list[str]:
    """The ids, none twice.

    Raises:
        BenchmarkError: naming `path`, when there is none or one comes twice.
    """
    if not ids:
        raise BenchmarkError(f"{path} is empty; it has to hold the ids of the images, one a line")
    if len(ids) != len(set(ids)):
        repeated = sorted({key for key in ids if ids.count(key) > 1})
        raise BenchmarkError(f"{path} names {repeated[:3]} more than once; an image counts once")
    return list(ids)
