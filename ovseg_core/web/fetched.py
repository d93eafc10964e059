"""What img2dataset left behind for one shard, believed only after it was checked."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from ovseg_core import shards
from ovseg_core.records import BadSample

BIT_DEPTH = 24  # offset of the header byte in a PNG
# what img2dataset says about a sample, in its order
MEASURED = (
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "exif",
    "sha256",
)


@dataclass(frozen=True)
class Fetched:
    """One shard as img2dataset left it: whole, with one result for every row that it was given."""

    results: pa.Table  # `row` and MEASURED; sorted by row
    images: dict[int, bytes]  # row -> bytes of the image, where status is success


def read(stem: Path, rows: np.ndarray) -> Fetched:
    """Read `{stem}.tar` and `{stem}.parquet` of img2dataset, which were given these `rows` (ascending).

    Raises:
        BadSample: `truncated_shard` when a file is cut or missing, or lacks one of the rows: img2dataset
            leaves rows out without a word when its disk is full.
    """
    try:
        results = pq.read_table(f"{stem}.parquet").sort_by("row")
        members = list(shards.read_tar(f"{stem}.tar"))
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise BadSample("truncated_shard", f"{stem}: {error}") from error
    if not np.array_equal(results["row"].to_numpy(), rows):
        raise BadSample("truncated_shard", f"{stem}: results for {len(results)} of {len(rows)} rows")
    good = results.filter(pc.equal(results["status"], "success"))
    row_of = dict(zip(good["key"].to_pylist(), good["row"].to_pylist(), strict=True))
    images = {row_of[m["__key__"]]: m["jpg"] for m in members if m["__key__"] in row_of and "jpg" in m}
    if len(images) < len(good):
        raise BadSample("truncated_shard", f"{stem}: {len(images)} of {len(good)} images are in the tar")
    return Fetched(results.select(["row", *MEASURED]), images)


def checked_image(content: bytes) -> bytes:
    """An untrusted image as img2dataset may have it: not huge, and with 8 bits per channel.

    OpenCV, with which img2dataset decodes, allocates up to 2^30 pixels, and clips 16-bit values to 255, so
    that nearly all is white. Only the header is read here; what is cut or broken fails to decode there.

    Raises:
        BadSample: `image_too_large`, or `undecodable_image` for what is no image.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > shards.MAX_PIXELS:
                raise BadSample("image_too_large", f"{image.width}x{image.height}")
            deep = image.format == "PNG" and content[BIT_DEPTH] == 16
    except (Image.DecompressionBombError, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        reason = "image_too_large" if isinstance(error, Image.DecompressionBombError) else "undecodable_image"
        raise BadSample(reason, str(error)) from error
    return _in_eight_bits(content) if deep else content


def _in_eight_bits(content: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(shards.decode_image(content)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
