"""Files with a label for every pixel, as benchmarks have them, and what their labels mean.

Shape letters: H, W size of an image in pixels. A decoder turns the bytes of a file into (H, W) raw labels; a
table turns raw labels into class indices.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from ovseg_core.benchmarks.benchmark import VOID, BenchmarkError, content_of

Decoder = Callable[[bytes, str], np.ndarray]


def grey(content: bytes, path: str) -> np.ndarray:
    """A palette or grey image of 8 or 16 bits (PNG, TIFF): the pixel is the label.

    Raises:
        BenchmarkError: naming the file, when it is no such image.
    """
    labels = _opened(content, path)
    if labels.ndim != 2:
        raise BenchmarkError(
            f"{path} is a RGB image; a mask is a palette or grey PNG whose pixels are class indices"
        )
    return labels


def classes_as_stored(raw: np.ndarray) -> np.ndarray:
    """(H, W) raw labels that are class indices, as uint16; 255 of 8 bits becomes VOID."""
    labels = raw.astype(np.uint16)
    return labels if raw.dtype.itemsize > 1 else np.where(labels == 255, np.uint16(VOID), labels)


def red_green(content: bytes, path: str) -> np.ndarray:
    """An RGB image as ImageNet-S has them: label = R + 256 G, up to 65535."""
    pixels = _opened(content, path)
    if pixels.ndim != 3:
        raise BenchmarkError(
            f"{path} is a grey image; ImageNet-S keeps its labels as R + 256 G of RGB images"
        )
    return pixels[..., 0].astype(np.int64) + 256 * pixels[..., 1].astype(np.int64)


def matlab(content: bytes, path: str) -> np.ndarray:
    """A .mat file of PASCAL Context: the array `LabelMap`."""
    from scipy.io import loadmat  # a second to import

    try:
        found = loadmat(io.BytesIO(content), variable_names=["LabelMap"])
    except Exception as error:  # SciPy lets through whatever its parsing trips over
        raise BenchmarkError(f"{path} cannot be read as a .mat file: {error}") from error
    if "LabelMap" not in found or found["LabelMap"].ndim != 2:
        raise BenchmarkError(f"{path} has no array LabelMap; PASCAL Context keeps its labels there")
    return found["LabelMap"]


def _opened(content: bytes, path: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            plain = image.mode in ("P", "L") or image.mode.startswith("I")
            return np.asarray(image if plain else image.convert("RGB"))
    except UnidentifiedImageError as error:  # its own message names an object in memory
        raise BenchmarkError(f"{path} cannot be read as a PNG: it is no image") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BenchmarkError(f"{path} cannot be read as a PNG: {error}") from error


def table(classes: Mapping[int, int] | Sequence[int], void: Sequence[int] = (255,)) -> np.ndarray:
    """The (65536,) uint16 table from raw labels to classes.

    Args:
        classes: raw label -> class index, or the raw labels in the order of their classes.
        void: raw labels without a class. What is in neither becomes 65534, which no vocabulary reaches, so
            that a benchmark names it instead of counting it.
    """
    pairs = classes if isinstance(classes, Mapping) else {raw: index for index, raw in enumerate(classes)}
    found = np.full(VOID + 1, VOID - 1, np.uint16)
    found[list(void)] = VOID
    for raw, index in pairs.items():
        found[raw] = index
    return found


@dataclass(frozen=True)
class LabelFiles:
    """An image and a file of labels for every id."""

    paths: Mapping[str, tuple[str, str]]  # id -> image, labels
    where: str  # what named the ids
    classes: np.ndarray | None = None  # of `table`; None: raw labels are classes, 255 void (16-bit: 65535)
    decode: Decoder = grey

    def image_path(self, key: str) -> str:
        """The file of one image."""
        return self.paths[key][0]

    def truth_paths(self, key: str) -> list[str]:
        """Its file of labels."""
        return [self.paths[key][1]]

    def class_map(self, key: str) -> np.ndarray:
        """(H, W) uint16 class indices, VOID where nothing is annotated.

        Raises:
            BenchmarkError: naming the file, when it is missing, unreadable, or has a label without a meaning.
        """
        path = self.paths[key][1]
        raw = self.decode(content_of(path, self.where), path)
        if self.classes is None:
            return classes_as_stored(raw)
        known = raw <= VOID
        labels = self.classes[raw] if known.all() else np.where(known, self.classes[raw * known], VOID - 1)
        if (labels == VOID - 1).any():
            raise BenchmarkError(f"{path} has label {raw[labels == VOID - 1][0]}, which stands for no class")
        return labels

    segments = class_map  # one for each class: a class map does not tell instances apart
