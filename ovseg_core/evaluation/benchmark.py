"""Benchmarks: a folder in PASCAL VOC's layout with a `benchmark.json` that says what its labels mean.

    JPEGImages/{id}.jpg   SegmentationClass/{id}.png   ImageSets/Segmentation/val.txt   benchmark.json

A mask holds the class index of every pixel, an index into `names`; 255 is void, in a 16-bit mask 65535.
"""

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from ovseg_core import files
from ovseg_core.records import BadSample
from ovseg_core.shards import decode_image
from ovseg_core.text.prompts import parse_classes

VOID = 65535  # of every class map inside; no vocabulary is that large
SPLIT = "ImageSets/Segmentation/val.txt"


class BenchmarkError(ValueError):
    """A benchmark that cannot be scored; the message names the file."""


@dataclass(frozen=True)
class Background:
    """OpenSeg's rule for PASCAL VOC (Sec. 4.1): what is predicted as one of `names` becomes class `index`.

    Without names the background is never predicted, and its pixels do not count.
    """

    index: int
    names: list[str]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark as `read` found it. Class maps are (H, W) uint16, an index into `names` or VOID."""

    folder: str
    name: str
    names: list[str]  # one entry per class; synonyms by comma
    kinds: list[str]  # "thing" or "stuff", per class
    background: Background | None
    held_out: frozenset[str]  # ids of compositions that never occur in training
    subsets: dict[str, list[int]]  # class indices
    protocol: str  # in words, for the reader of a number
    ids: list[str]

    @cached_property
    def queries(self) -> list[list[str]]:
        """Per class the names that a model is asked for; [] where the class is never predicted."""
        asked = parse_classes(self.names)
        if self.background:
            asked[self.background.index] = self.background.names
        return asked

    @cached_property
    def foreground(self) -> list[int]:
        """Indices of the classes that are not the background."""
        skipped = self.background.index if self.background else None
        return [index for index in range(len(self.names)) if index != skipped]

    def of_kind(self, kind: str) -> list[int]:
        """Indices of the foreground classes of one kind."""
        return [index for index in self.foreground if self.kinds[index] == kind]

    def title(self, index: int) -> str:
        """The name of a class as tables show it: its first synonym."""
        return parse_classes(self.names)[index][0]

    def image_path(self, key: str) -> str:
        return files.join(self.folder, "JPEGImages", f"{key}.jpg")

    def mask_path(self, key: str) -> str:
        return files.join(self.folder, "SegmentationClass", f"{key}.png")

    def image(self, key: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        path = self.image_path(key)
        try:
            return decode_image(content_of(path, self.folder))
        except BadSample as error:
            raise BenchmarkError(f"{path}: {error}; mend the image or take its id out of {SPLIT}") from error

    def truth(self, key: str, size: tuple[int, int] | None = None) -> np.ndarray:
        """(H, W) uint16 class map; `size` (H, W) is that of the image and is compared.

        Raises:
            BenchmarkError: naming the file, when it is missing or unreadable, has another size than the
                image, or a label beyond the names.
        """
        path = self.mask_path(key)
        labels = _decode_mask(content_of(path, self.folder), path)
        if size is not None and labels.shape != size:
            raise BenchmarkError(
                f"{path} has {labels.shape[1]}x{labels.shape[0]} pixels and its image {size[1]}x{size[0]}; "
                "a mask has the size of its image"
            )
        beyond = [label for label in classes_in(labels) if label >= len(self.names)]
        if beyond:
            raise BenchmarkError(
                f"{path} has label {beyond[0]}; benchmark.json names {len(self.names)} classes, so labels "
                f"run from 0 to {len(self.names) - 1}, and 255 is void (65535 in a 16-bit mask)"
            )
        return labels

    def fingerprint(self) -> str:
        """Digest of everything that the scores depend on: the description and every image and mask."""
        paths = [files.join(self.folder, "benchmark.json"), files.join(self.folder, SPLIT)]
        for key in self.ids:
            paths += [self.image_path(key), self.mask_path(key)]
        return files.fingerprint([files.digest(path) for path in paths])


def classes_in(labels: np.ndarray) -> list[int]:
    """The classes of a class map, ascending, without void. Counts instead of sorting as np.unique does."""
    return np.flatnonzero(np.bincount(labels[labels != VOID])).tolist()


def content_of(path: str, folder: str) -> bytes:
    try:
        return files.read_bytes(path)
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing; the benchmark in {folder} needs it") from error


def _decode_mask(content: bytes, path: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in ("P", "L") and not image.mode.startswith("I"):
                raise BenchmarkError(
                    f"{path} is a {image.mode} image; a mask is a palette or grey PNG whose pixels are class "
                    "indices"
                )
            wide = image.mode.startswith("I")
            labels = np.asarray(image).astype(np.uint16)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, BenchmarkError):
            raise
        raise BenchmarkError(f"{path} cannot be read as a PNG: {error}") from error
    if not wide:
        labels[labels == 255] = VOID
    return labels
