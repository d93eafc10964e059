"""Textured backgrounds of the toy world. Each is `(rng, side) -> (side, side, 3)` float32 RGB in 0..255.

Sizes are given for pictures of 64 pixels and grow with the side; nothing repeats from picture to picture.
"""

from collections.abc import Callable

import cv2
import numpy as np


def smooth_noise(rng: np.random.Generator, side: int, nx: int, ny: int) -> np.ndarray:
    """(side, side) float32 noise of unit variance, with about nx by ny bumps over the picture."""
    coarse = rng.standard_normal((ny + 2, nx + 2), np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def colour(base: tuple[int, int, int], shade: np.ndarray) -> np.ndarray:
    """A base colour lightened and darkened by `shade` (side, side), in grey levels."""
    return np.asarray(base, np.float32) + shade[..., None]


def axes(side: int) -> tuple[np.ndarray, np.ndarray]:
    """x (1, side) and y (side, 1) in pixels of a picture of 64."""
    line = np.arange(side, dtype=np.float32) * (64 / side)
    return line[None], line[:, None]


def grass(rng: np.random.Generator, side: int) -> np.ndarray:
    blades = smooth_noise(rng, side, 40, 7) + 0.7 * smooth_noise(rng, side, 60, 12)
    picture = colour((74, 124, 42), 17 * blades)
    picture[..., 0] += 12 * smooth_noise(rng, side, 4, 4)  # patches of yellow
    return picture


def water(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = axes(side)
    bend = 5 * smooth_noise(rng, side, 4, 3)
    waves = np.sin((y + bend + rng.uniform(-0.3, 0.3) * x) * 2 * np.pi / rng.uniform(11, 16))
    glints = np.clip(np.sin((y + 1.3 * bend + 3) * 2 * np.pi / 7.3) - 0.75, 0, 1)
    return colour((24, 96, 128), 20 * waves + 90 * glints)


def sand(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = axes(side)
    ripples = np.sin((y + 0.4 * x + 6 * smooth_noise(rng, side, 3, 3)) * 2 * np.pi / rng.uniform(14, 20))
    grain = rng.standard_normal((side, side), np.float32)
    return colour((204, 172, 116), 7 * ripples + 11 * grain)


def sky(rng: np.random.Generator, side: int) -> np.ndarray:
    _, y = axes(side)
    picture = colour((96, 156, 226), np.broadcast_to(y * rng.uniform(0.5, 1.1), (side, side)))
    clouds = smooth_noise(rng, side, 4, 7) + 0.5 * smooth_noise(rng, side, 9, 14)
    cover = np.clip(0.55 * (clouds - rng.uniform(0.2, 1.0)), 0, 0.85)[..., None]
    return picture * (1 - cover) + 250 * cover


def snow(rng: np.random.Generator, side: int) -> np.ndarray:
    drifts = smooth_noise(rng, side, 3, 4)
    sparkle = 24 * (rng.random((side, side), np.float32) > 0.985)
    return colour((226, 234, 246), 9 * drifts + sparkle)


def wood(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = axes(side)
    width = rng.uniform(14, 20)
    along = y + rng.uniform(0, width)
    board = np.floor(along / width)
    tint = 13 * np.sin(board * 2.4 + rng.uniform(0, 6))  # a tone for each board
    grain = np.sin((along + 2.2 * smooth_noise(rng, side, 3, 8) + 0.05 * x) * 2 * np.pi / 3.6)
    seam = np.clip(1.4 - (along - board * width), 0, 1)
    picture = colour((136, 88, 48), tint + 9 * grain - 80 * seam)
    return picture if rng.random() < 0.5 else np.ascontiguousarray(picture.transpose(1, 0, 2))


def brick(rng: np.random.Generator, side: int) -> np.ndarray:
    x, y = axes(side)
    height, length = rng.uniform(8.5, 10.5), rng.uniform(17, 22)
    down = y + rng.uniform(0, height)
    row = np.floor(down / height)
    along = x + (row % 2) * length / 2 + rng.uniform(0, length)
    column = np.floor(along / length)
    tones = rng.standard_normal((16, 16), np.float32)
    tone = 12 * tones[row.astype(int) % 16, column.astype(int) % 16]
    mortar = np.maximum(np.clip(2 - down + row * height, 0, 1), np.clip(2 - along + column * length, 0, 1))
    bricks = colour((152, 70, 56), tone + 6 * rng.standard_normal((side, side), np.float32))
    return bricks * (1 - mortar[..., None]) + colour((190, 180, 168), mortar * 0) * mortar[..., None]


def asphalt(rng: np.random.Generator, side: int) -> np.ndarray:
    grain = rng.standard_normal((side, side), np.float32)
    stones = 60 * (rng.random((side, side), np.float32) > 0.96)
    return colour((82, 82, 86), 14 * grain + stones + 6 * smooth_noise(rng, side, 3, 3))


TEXTURES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "grass": grass,
    "water": water,
    "sand": sand,
    "sky": sky,
    "snow": snow,
    "wood": wood,
    "brick": brick,
    "asphalt": asphalt,
}
