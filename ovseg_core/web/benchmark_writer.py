"""Writing a benchmark in PASCAL VOC's layout, with a `benchmark.json` that says what its labels mean.

JPEGImages/{id}.jpg   SegmentationClass/{id}.png   ImageSets/Segmentation/val.txt   benchmark.json
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import VOID as OPEN
from ovseg_core.benchmarks.benchmark import Benchmark

VOID = 255  # in a mask of up to 255 classes
WIDE_VOID = 65535  # in the 16-bit mask of a larger vocabulary


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `benchmark.json` says besides the ids of the held-out scenes; see docs/contracts.md."""

    name: str
    names: Sequence[str]  # one per class, synonyms by comma
    kinds: Sequence[str]  # "thing" or "stuff", per class
    protocol: str
    background: dict[str, Any] | None = None
    subsets: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """One image of a benchmark."""

    id: str
    jpeg: bytes
    classes: np.ndarray  # (H, W) int, index into the names, -1 void
    held_out: bool = False


def write_benchmark(folder: Path | str, about: Description, images: Iterable[Annotated]) -> int:
    """Write a benchmark, image by image; what an earlier run left goes. Returns how many images."""
    for part, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
        for old in files.listing(files.join(folder, part), suffix):
            files.remove(old)
    ids, held_out = [], []
    for image in images:
        mask = encode_mask(image.classes, len(about.names))
        files.write_bytes(files.join(folder, "JPEGImages", f"{image.id}.jpg"), image.jpeg)
        files.write_bytes(files.join(folder, "SegmentationClass", f"{image.id}.png"), mask)
        ids.append(image.id)
        if image.held_out:
            held_out.append(image.id)
    split = "".join(f"{name}\n" for name in ids)
    files.write_bytes(files.join(folder, "ImageSets", "Segmentation", "val.txt"), split.encode())
    files.write_json(files.join(folder, "benchmark.json"), {**asdict(about), "held_out": held_out})
    return len(ids)


def copy_benchmark(folder: Path | str, benchmark: Benchmark) -> int:
    """Write a benchmark of any reader in this layout. Returns how many images."""
    rule = benchmark.background
    about = Description(
        name=benchmark.name,
        names=benchmark.names,
        kinds=benchmark.kinds,
        protocol=benchmark.protocol,
        background={"index": rule.index, "names": list(rule.names)} if rule else None,
        subsets={name: [benchmark.title(i) for i in classes] for name, classes in benchmark.subsets.items()},
    )
    images = tqdm(_annotated(benchmark), f"web: {benchmark.name}", len(benchmark.ids), unit="photo")
    return write_benchmark(folder, about, images)


def _annotated(benchmark: Benchmark) -> Iterator[Annotated]:
    for key in benchmark.ids:
        truth = benchmark.truth(key).astype(np.int64)
        jpeg = files.read_bytes(benchmark.source.image_path(key))
        yield Annotated(id=key, jpeg=jpeg, classes=np.where(truth == OPEN, -1, truth))


def encode_mask(classes: np.ndarray, num_classes: int) -> bytes:
    """(H, W) class indices, -1 void -> a palette PNG, or a 16-bit one above 255 classes."""
    if num_classes > VOID:
        mask = Image.fromarray(np.where(classes < 0, WIDE_VOID, classes).astype(np.uint16))
    else:
        mask = Image.fromarray(np.where(classes < 0, VOID, classes).astype(np.uint8))
        mask.putpalette(voc_palette())
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def voc_palette() -> bytes:
    """PASCAL VOC's 256 colours: the bits of the index, spread over red, green and blue from the top."""
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours.tobytes()
