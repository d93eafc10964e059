"""Small images for the page: data URIs, thumbnails, masks drawn over a picture."""

import base64
import io

import numpy as np
from PIL import Image

from ovseg_core.reporting.figures import MASKS
from ovseg_core.shards import decode_image

SMALL = 100  # pixels: up to here an image stays lossless
SIDE = 320  # longest side of a larger one on the page


def embed(content: bytes, side: int = SIDE) -> str:
    """An image file as a data URI, not larger than `side`; small ones and PNGs stay lossless.

    Raises:
        BadSample: when it cannot be decoded.
    """
    return to_uri(decode_image(content), side)


def to_uri(image: np.ndarray, side: int = SIDE) -> str:
    """(H, W, 3) uint8 as a data URI: PNG where it is small or flat in colour, JPEG otherwise."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    small = max(picture.size) <= SMALL
    buffer = io.BytesIO()
    if small or side > SIDE:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "JPEG", quality=88, subsampling=0)  # colours of thin lines matter
    kind = "png" if small or side > SIDE else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def overlay(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Masks drawn over a picture: (H, W, 3) uint8 and (N, H, W) bool, in the colours of `figures.MASKS`.

    The picture turns pale and grey so that the colours are read as masks; the first mask is the topmost.
    """
    grey = image.astype(np.float64).mean(axis=2, keepdims=True)
    drawn = np.repeat(0.55 * grey + 0.45 * 255, 3, axis=2)
    for index in reversed(range(len(masks))):
        mask = masks[index]
        colour = np.array([int(MASKS[index % len(MASKS)][i : i + 2], 16) for i in (1, 3, 5)])
        drawn[mask] = 0.45 * drawn[mask] + 0.55 * colour
        drawn[mask & ~_inner(mask)] = colour
    return drawn.round().astype(np.uint8)


def _inner(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool without its outermost pixels; the border of the image is no edge."""
    padded = np.pad(mask, 1, mode="edge")
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
