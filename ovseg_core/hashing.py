"""Names for content: a row of a URL list, the bytes of an image, the look of an image."""

import hashlib

import numpy as np
import pyarrow as pa
from PIL import Image

PHASH_TYPE = pa.uint64()  # of a parquet column; the distance is `np.bitwise_count(a ^ b)`


def uid(url: str, caption: str) -> str:
    """128-bit hex hash of a row: the same URL with another caption is another sample."""
    text = f"{url}\0{caption}".encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def uids(urls: pa.ChunkedArray, captions: pa.ChunkedArray, batch: int = 10_000) -> pa.ChunkedArray:
    """The uid of every row, computed batch by batch: a whole list never becomes Python strings at once."""
    table = pa.table({"url": urls, "caption": captions})
    chunks = [
        pa.array(map(uid, rows["url"].to_pylist(), rows["caption"].to_pylist()), pa.string())
        for rows in table.to_batches(max_chunksize=batch)
    ]
    return pa.chunked_array(chunks, pa.string())


def number(text: str) -> int:
    """A 64-bit number that depends on the text alone: a seed for what it names, or its place in a draw."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def sha256(content: bytes) -> str:
    """Hex SHA-256, as in img2dataset's column of that name."""
    return hashlib.sha256(content).hexdigest()


def phash(image: np.ndarray) -> int:
    """64-bit perceptual hash of an (H, W, 3) uint8 RGB image, as an unsigned integer.

    `imagehash.phash`: the signs of the low frequencies of the image at 32 x 32, so images that look alike
    differ in few bits.
    """
    import imagehash  # here: it loads scipy, which readers of a ledger never need

    return int(str(imagehash.phash(Image.fromarray(image))), 16)
