"""Tar shards and their parquet tables: keys, fingerprints, the same bytes for the same content.

A shard is `{name}.tar` (WebDataset: `{key}.jpg .txt .json`, for labelled data also `{key}.png`) beside
`{name}.parquet`, one row per sample in the order of the tar. Key = shard name + four digits of the row.
"""

import io
import json
import logging
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from ovseg_core import files
from ovseg_core.records import BadSample, Sample, Segments

logger = logging.getLogger(__name__)
STAMP, REPORT = b"ovseg.fingerprint", b"ovseg.report"  # in the metadata of tables
SAFE_MEMBER = re.compile(r"[A-Za-z0-9_-]+(\.[a-z0-9_]+)+")
MAX_PIXELS = 64_000_000  # an image above this is refused before it is decoded


def list_shards(*folders: Path | str) -> list[str]:
    """Shard paths without their suffix (`data/shards/00000`), sorted within each folder."""
    return [path.removesuffix(".tar") for folder in folders for path in files.listing(folder, ".tar")]


def name_of(shard: Path | str) -> str:
    """`data/shards/00000` or `.../00000.tar` -> `00000`."""
    return str(shard).rpartition("/")[2].split(".")[0]


def write_tar(path: Path | str, samples: Iterable[dict[str, Any]]) -> None:
    """Write samples (`__key__` and bytes per suffix) as a tar: keys and members sorted, mtime 0."""
    ordered = sorted(samples, key=lambda sample: sample["__key__"])
    # Not webdataset's TarWriter, which writes the same members: importing it loads torch.
    with files.atomic(path) as handle, tarfile.open(fileobj=handle, mode="w|") as tar:
        for sample in ordered:
            for suffix in sorted(name for name in sample if name[0] != "_"):
                member = tarfile.TarInfo(f"{sample['__key__']}.{suffix}")
                member.size = len(sample[suffix])
                tar.addfile(member, io.BytesIO(sample[suffix]))


def read_tar(path: Path | str) -> Iterator[dict[str, Any]]:
    """The samples of one tar as `{"__key__": key, "jpg": bytes, ...}`, in order.

    A member with a path in its name is skipped and logged. A tar that was cut in the middle yields its
    whole samples, then raises BadSample("truncated_shard") so that the caller can count the loss.
    """
    current: dict[str, Any] = {}
    try:
        with files.open_read(path) as handle:
            for key, suffix, data in _members(handle, path):
                if current and current["__key__"] != key:
                    yield current
                    current = {}
                current |= {"__key__": key, suffix: data}
    except (tarfile.ReadError, EOFError) as error:
        # The sample under way may lack members: it is dropped with what was cut off.
        raise BadSample("truncated_shard", f"{path}: {error}") from error
    if current:
        yield current


def _members(handle: IO[bytes], path: Path | str) -> Iterator[tuple[str, str, bytes]]:
    whole = _ends_as_a_tar(handle)
    with tarfile.open(fileobj=handle, mode="r|") as tar:
        stream: Any = tar.fileobj  # stands behind the header of the member at hand
        for member in tar:
            if not member.isfile() or not SAFE_MEMBER.fullmatch(member.name):
                logger.warning("%s: skipped member %r: a plain file name was expected", path, member.name)
                continue
            data = stream.read(member.size)  # extractfile would wrap each in two more file objects
            if len(data) != member.size:
                raise tarfile.ReadError("unexpected end of data")
            key, _, suffix = member.name.partition(".")
            yield key, suffix, data
    if not whole:
        raise tarfile.ReadError("the end of the archive is missing")


def _ends_as_a_tar(handle: IO[bytes]) -> bool:
    """Whether the two zero blocks at the end are there: tarfile takes a cut between members for the end."""
    size = handle.seek(0, io.SEEK_END)
    handle.seek(max(size - 1024, 0))
    ending = handle.read()
    handle.seek(0)
    return ending == bytes(1024)


def whole_samples(shard: str) -> Iterator[dict[str, Any]]:
    """The samples of a shard up to where its tar was cut or is missing; what is lost shows in its table."""
    try:
        yield from read_tar(shard + ".tar")
    except (BadSample, OSError) as error:
        logger.warning("%s", error)


def decode_image(content: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Bytes of an untrusted image -> (H, W, 3) uint8 RGB. CMYK, palette, grey and 16-bit are converted.

    Raises:
        BadSample: `image_too_large` before decoding, `undecodable_image` otherwise.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > max_pixels:
                raise BadSample(
                    "image_too_large", f"{image.width}x{image.height}, at most {max_pixels} pixels"
                )
            if image.mode.startswith("I"):  # 16-bit grey: PIL would clip instead of scaling
                grey = (np.asarray(image, np.float64) / 257).clip(0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))  # converting copies
    except (Image.DecompressionBombError, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = "image_too_large" if isinstance(error, Image.DecompressionBombError) else "undecodable_image"
        raise BadSample(reason, str(error)) from error


def decode_sample(raw: dict[str, Any]) -> Sample:
    """One raw sample of `read_tar` -> Sample.

    Raises:
        BadSample: when the image is missing, broken or too large, or its masks do not fit it.
    """
    if "jpg" not in raw:
        raise BadSample("no_image", raw["__key__"])
    image = decode_image(raw["jpg"])
    caption = raw.get("txt", b"").decode("utf-8", "replace")
    segments = decode_segments(raw, image.shape[:2]) if "png" in raw else None
    return Sample(key=raw["__key__"], image=image, caption=caption, segments=segments)


def decoded_batches(
    samples: Iterable[dict[str, Any]], size: int, drops: Counter[str]
) -> Iterator[list[tuple[dict[str, Any], np.ndarray]]]:
    """Raw samples with their images, `size` at a time; what cannot be decoded is counted in `drops`."""
    batch: list[tuple[dict[str, Any], np.ndarray]] = []
    for raw in samples:
        try:
            batch.append((raw, decode_sample(raw).image))
        except BadSample as error:
            drops[error.reason] += 1
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def decode_segments(raw: dict[str, Any], size: tuple[int, int] | None) -> Segments:
    """The `{key}.png` (16-bit segment ids) and the `segments` names of `{key}.json`; `size`: the image's.

    Raises:
        BadSample: when they cannot be decoded, or do not fit the image or each other.
    """
    try:
        with Image.open(io.BytesIO(raw["png"])) as mask:
            ids = np.asarray(mask).astype(np.uint16)
        names = [str(name) for name in json.loads(raw["json"])["segments"]]
    except (Image.DecompressionBombError, OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise BadSample("undecodable_mask", f"{raw['__key__']}: {error}") from error
    if size is not None and ids.shape != size:
        raise BadSample("mask_size_mismatch", f"{raw['__key__']}: mask {ids.shape}, image {size}")
    if ids.max(initial=0) > len(names):
        raise BadSample("unknown_segment", f"{raw['__key__']}: id {ids.max()} of {len(names)} segments")
    return Segments(ids=ids, names=names)


def encode_confidence(confidence: np.ndarray, below: int) -> dict[str, bytes]:
    """The `confidence.png` of a map that a model made: (H, W) in [0, 1], in steps of 1/255, rounded down.

    `below`: the segment (0: none) that a pixel becomes whose confidence a reader finds too low.
    """
    buffer = io.BytesIO()
    Image.fromarray((confidence * 255).astype(np.uint8)).save(buffer, "PNG")
    return {"confidence.png": buffer.getvalue(), "below.json": json.dumps(below).encode()}


def confident(raw: dict[str, Any], segments: Segments, least: float) -> Segments:
    """The segments without the pixels whose confidence is below `least`.

    Raises:
        BadSample: when the confidence cannot be decoded or has another size than the map.
    """
    try:
        with Image.open(io.BytesIO(raw["confidence.png"])) as image:
            confidence = np.asarray(image)
        below = int(json.loads(raw["below.json"]))
    except (Image.DecompressionBombError, OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise BadSample("undecodable_mask", f"{raw['__key__']}: {error}") from error
    if confidence.shape != segments.ids.shape:
        raise BadSample("mask_size_mismatch", f"{raw['__key__']}: confidence {confidence.shape}")
    sure = confidence >= np.floor(255 * least)
    return Segments(ids=np.where(sure, segments.ids, below).astype(np.uint16), names=segments.names)


def encode_segments(segments: Segments) -> dict[str, bytes]:
    """The `png` and `json` members that `decode_segments` reads."""
    buffer = io.BytesIO()
    Image.fromarray(segments.ids.astype(np.uint16)).save(buffer, "PNG")
    return {"png": buffer.getvalue(), "json": json.dumps({"segments": segments.names}).encode()}


def write_table(
    path: Path | str, table: pa.Table, fingerprint: str = "", report: Mapping[str, int] | None = None
) -> None:
    """Write a parquet table atomically, with the fingerprint of what made it and what was counted then."""
    metadata = {**(table.schema.metadata or {}), STAMP: fingerprint.encode()}
    if report:
        metadata[REPORT] = json.dumps(report).encode()
    stamped = table.replace_schema_metadata(metadata)
    with files.atomic(path) as handle:
        pq.write_table(stamped, handle)


def open_parquet(handle: IO[bytes]) -> pq.ParquetFile:
    """A parquet file behind an open Python file.

    By default Arrow reads ahead in threads of its own, which may still hold the Python file when the
    interpreter ends: then some 3 % of processes abort after their work (apache/arrow#34314). Not so here.
    """
    return pq.ParquetFile(handle, pre_buffer=False)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """A parquet table from a local path or fsspec URL."""
    with files.open_read(path) as handle:
        return open_parquet(handle).read(columns=columns, use_threads=False)


def stamp_of(path: Path | str) -> str | None:
    """The fingerprint in a parquet file's metadata; None when the file is missing or unreadable."""
    return _metadata(path).get(STAMP, b"").decode() or None


def report_of(path: Path | str) -> dict[str, int]:
    """What was counted when a parquet file was written."""
    return dict(json.loads(_metadata(path).get(REPORT, b"{}")))


def _metadata(path: Path | str) -> dict[bytes, bytes]:
    try:
        with files.open_read(path) as handle:
            return pq.read_schema(handle).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return {}
