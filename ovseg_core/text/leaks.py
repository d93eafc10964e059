"""Benchmark images among the training images.

A training image is a benchmark image when
1. both have the same bytes (SHA-256 of what was served and of the benchmark's file), or
2. their perceptual hashes differ in at most `leak_distance` of 64 bits AND a second look agrees: at 32 x 32
   pixels their mean absolute difference is at most SAME_LOOK grey levels.

The hash alone would drop scenes that only share their layout (a flat sky over grass); the second look alone
would mean decoding everything. Images with the same decoded pixels have the same perceptual hash, so rule 2
finds them too.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from ovseg_core import files, hashing, shards
from ovseg_core.records import BadSample

logger = logging.getLogger(__name__)
SAME_LOOK = 12.0  # of 255; copies of toy scenes, scaled by 3/4 and compressed again, differ by up to 10
THUMB = 32  # pixels
PAIRS_AT_ONCE = 1 << 22  # hash comparisons held in memory: 34 MB


@dataclass(frozen=True)
class BenchmarkImages:
    """All images of all benchmarks."""

    names: list[tuple[str, str]]  # (benchmark, id) of each of the N images
    sha256: dict[str, int]  # hex digest of the file -> index into names
    hashes: np.ndarray  # (N,) uint64
    thumbs: np.ndarray  # (N, 32, 32, 3) uint8

    @classmethod
    def read(cls, folder: Path | str) -> "BenchmarkImages":
        """Every `{benchmark}/JPEGImages/{id}.jpg` below `folder`; what cannot be decoded is logged."""
        names: list[tuple[str, str]] = []
        digests, hashes, thumbs = {}, [], []
        for benchmark, path in image_paths(folder):
            content = files.read_bytes(path)
            try:
                image = shards.decode_image(content)
            except BadSample as error:
                logger.warning("%s is left out of the leak check: %s", path, error)
                continue
            digests[hashlib.sha256(content).hexdigest()] = len(names)
            names.append((benchmark, shards.name_of(path)))
            hashes.append(hashing.phash(image))
            thumbs.append(thumb(image))
        return cls(
            names,
            digests,
            np.array(hashes, np.uint64),
            np.array(thumbs, np.uint8).reshape(-1, THUMB, THUMB, 3),
        )

    def by_benchmark(self, leaks: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """Leaks under the name of their benchmark; every benchmark that was checked has its list."""
        grouped: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in self.names}
        for leak in leaks:
            grouped[leak["benchmark"]].append({key: leak[key] for key in ("key", "id", "distance")})
        return grouped


def image_paths(folder: Path | str) -> Iterator[tuple[str, str]]:
    """(benchmark, path of an image) for all benchmarks of a folder, sorted."""
    for benchmark in files.listing(folder, ""):
        for path in files.listing(files.join(benchmark, "JPEGImages"), ".jpg"):
            yield benchmark.rpartition("/")[2], path


def thumb(image: np.ndarray) -> np.ndarray:
    """(32, 32, 3) uint8: what the second look compares."""
    return np.asarray(Image.fromarray(image).resize((THUMB, THUMB), Image.Resampling.BOX))


def look_different(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of two thumbs, in grey levels from 0 to 255."""
    return float(np.abs(first.astype(np.int16) - second).mean())


def near_pairs(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[tuple[int, int, int]]:
    """(i, j, bits) for all pairs of (N,) and (M,) uint64 hashes that differ in at most `distance` bits."""
    step = max(1, PAIRS_AT_ONCE // max(1, len(others)))
    for start in range(0, len(hashes), step):
        bits = np.bitwise_count(hashes[start : start + step, None] ^ others[None])
        for i, j in np.argwhere(bits <= distance):
            yield start + int(i), int(j), int(bits[i, j])


def leaks_of(shard: str, table: pa.Table, images: BenchmarkImages, distance: int) -> list[dict[str, Any]]:
    """Leaks among the samples of one shard: `{benchmark, key, id, distance}`, each pair once.

    `table` has the shard's `key` and, where the shard came from the download stage, `sha256` and `phash`.
    Without `phash` the images are decoded for it.
    """
    keys = table["key"].to_pylist()
    found: dict[tuple[str, int], int] = {}
    if "sha256" in table.column_names:
        for key, digest in zip(keys, table["sha256"].to_pylist(), strict=True):
            if digest in images.sha256:
                found[key, images.sha256[digest]] = 0
    if "phash" in table.column_names and not table["phash"].null_count:
        hashes = table["phash"].to_numpy()
        near = [(keys[i], j, bits) for i, j, bits in near_pairs(hashes, images.hashes, distance)]
    else:
        near = _near_in_tar(shard, images, distance)
    found |= _confirmed(shard, [pair for pair in near if pair[:2] not in found], images)
    return [
        {"benchmark": images.names[j][0], "id": images.names[j][1], "key": key, "distance": bits}
        for (key, j), bits in sorted(found.items())
    ]


def _images_of(shard: str, wanted: set[str] | None = None) -> Iterator[tuple[str, bytes, np.ndarray]]:
    """(key, bytes, image) of the samples of a tar that can be decoded."""
    try:
        for raw in shards.read_tar(f"{shard}.tar"):
            if wanted is not None and raw["__key__"] not in wanted:
                continue
            try:
                yield raw["__key__"], raw.get("jpg", b""), shards.decode_image(raw.get("jpg", b""))
            except BadSample:
                continue  # training drops and counts it
    except BadSample as error:
        logger.warning("%s", error)


def _near_in_tar(shard: str, images: BenchmarkImages, distance: int) -> list[tuple[str, int, int]]:
    near = []
    for key, _, image in _images_of(shard):
        own = np.array([hashing.phash(image)], np.uint64)
        near += [(key, j, bits) for _, j, bits in near_pairs(own, images.hashes, distance)]
    return near


def _confirmed(
    shard: str, near: list[tuple[str, int, int]], images: BenchmarkImages
) -> dict[tuple[str, int], int]:
    """The second look: pairs that are the same picture, with their distance."""
    suspects: dict[str, list[tuple[int, int]]] = {}
    for key, j, bits in near:
        suspects.setdefault(key, []).append((j, bits))
    if not suspects:
        return {}
    return {
        (key, j): bits
        for key, _, image in _images_of(shard, set(suspects))
        for j, bits in suspects[key]
        if look_different(thumb(image), images.thumbs[j]) <= SAME_LOOK
    }
