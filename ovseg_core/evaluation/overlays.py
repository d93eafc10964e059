"""Class maps as pictures: distinct colours, the map laid over its image, a legend, palette PNGs.

Shape letters: H, W size in pixels; C classes. Class maps are (H, W) integers; what is not
below C is not drawn.
"""

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

OPACITY = 0.62  # of the colours over the image
ROW, MARGIN = 22, 10  # legend, pixels
# linear sRGB -> cone response -> Oklab (B. Ottosson, 2020): distances in it are those the eye sees
TO_CONES = np.array(
    [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]], np.float64
)
TO_LAB = np.array(
    [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]], np.float64
)


@lru_cache(maxsize=8)
def palette(num_classes: int) -> np.ndarray:
    """(C, 3) uint8 RGB: each colour is the one farthest from all before it, so the first few differ most.

    The colours of the first classes do not depend on C. Greys, near-black, near-white and what glares
    are left out.
    """
    levels = np.linspace(0, 255, 13).round()
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lab = _oklab(rgb)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 0.42) & (lab[:, 0] < 0.93) & (chroma > 0.07) & (chroma < 0.19)
    rgb, lab = rgb[usable], lab[usable]
    chosen = [int((lab[:, 2] + abs(lab[:, 0] - 0.6)).argmin())]  # a blue of middle lightness
    nearest = np.linalg.norm(lab - lab[chosen[0]], axis=1)
    while len(chosen) < num_classes:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(lab - lab[chosen[-1]], axis=1))
    return rgb[chosen[:num_classes]].astype(np.uint8)


def overlay(image: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 image with each class in its colour and a dark line between classes.

    Under a class the image is grey: a colour of its own would mix with that of the class.
    """
    grey = image.astype(np.float64).mean(2, keepdims=True)
    drawn = labels < len(colours)
    paint = colours[np.where(drawn, labels, 0)]
    mixed = np.where(drawn[:, :, None], OPACITY * paint + (1 - OPACITY) * grey, image)
    edge = np.zeros(labels.shape, bool)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    mixed[edge] *= 0.35
    return mixed.round().astype(np.uint8)


def fit(image: np.ndarray, labels: np.ndarray, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Both, enlarged to a short side of `shortest` pixels, or shrunk to a long one of `longest`."""
    height, width = labels.shape
    scale = min(max(1.0, shortest / min(height, width)), longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return image, labels
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    # int32: PIL resizes no 16-bit maps
    nearest = Image.fromarray(labels.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized), np.asarray(nearest)


def with_legend(picture: np.ndarray, entries: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """The picture with a panel at its right: a swatch and a name for each entry, top to bottom."""
    font = _font(13)
    widest = max((font.getlength(name) for name, _ in entries), default=0)
    panel = Image.new(
        "RGB",
        (
            picture.shape[1] + round(widest) + ROW + 3 * MARGIN,
            max(picture.shape[0], ROW * len(entries) + MARGIN),
        ),
        "white",
    )
    panel.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(panel)
    left = picture.shape[1] + MARGIN
    for row, (name, colour) in enumerate(entries):
        top = MARGIN // 2 + row * ROW
        draw.rectangle((left, top + 3, left + ROW - 6, top + ROW - 4), tuple(map(int, colour)), "#333333")
        draw.text((left + ROW + 2, top + ROW / 2), name, "#111111", font, anchor="lm")
    return np.asarray(panel)


def png(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as PNG; the same picture has the same bytes."""
    return _bytes(Image.fromarray(picture))


def class_map_png(labels: np.ndarray, colours: np.ndarray) -> bytes:
    """A class map as PNG: pixel = class index. With a palette (void 255) up to 255 classes, else 16-bit."""
    if len(colours) > 255:
        return png16(labels)
    image = Image.fromarray(np.where(labels < len(colours), labels, 255).astype(np.uint8), "P")
    shades = np.zeros((256, 3), np.uint8)
    shades[: len(colours)] = colours
    shades[255] = 224
    image.putpalette(shades.tobytes())
    return _bytes(image)


def png16(labels: np.ndarray) -> bytes:
    """A class map as 16-bit grey PNG."""
    return _bytes(Image.fromarray(labels.astype(np.uint16)))


def _bytes(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # brings DejaVu Sans, which knows Cyrillic, Greek, Arabic; PIL's own font knows Latin

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _oklab(rgb: np.ndarray) -> np.ndarray:
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ TO_CONES.T) @ TO_LAB.T
