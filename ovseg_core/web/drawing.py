"""Drawing a scene of the toy world: backgrounds, then things with silhouette, colour and accent pattern.

Everything is drawn at the size of the picture with analytic edges: a distance in pixels becomes a coverage.
Lengths in "px" are pixels of a picture of 64 and grow with its side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ovseg_core.web.shapes import REACH, TEMPLATE
from ovseg_core.web.textures import axes, smooth_noise

PERIOD = 7.5  # px, of every pattern at any size of its thing
RIM = 1.3  # px
RIM_SHADE = 0.6  # of the accent colour
OUTSIDE = 10.0  # distance beyond the template, in units of the unit square


@dataclass(frozen=True)
class Thing:
    """One thing of a scene, as drawn."""

    name: str
    colour: str
    x: float  # centre, share of the side
    y: float
    size: float  # share of the side
    angle: float  # degrees
    aspect: float  # width over height
    flip: bool


def coverage(distance: np.ndarray, scale: float) -> np.ndarray:
    """Share of each pixel that is inside, from the signed distance in px; `scale` is pixels per px."""
    return np.clip(0.5 - distance * scale, 0, 1)


def _band(t: np.ndarray, period: float, share: float, scale: float) -> np.ndarray:
    """Stripes along one coordinate in px: coverage of the accent."""
    distance = np.abs(t / period - np.round(t / period)) * period
    return coverage(distance - share * period / 2, scale)


def _dots(u: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    row = np.round(v / PERIOD)
    across = u / PERIOD + 0.5 * (row % 2)
    distance = np.hypot(across - np.round(across), v / PERIOD - row) * PERIOD
    return coverage(distance - 0.33 * PERIOD, scale)


def _checks(u: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    a, b = _band(u, 1.2 * PERIOD, 0.5, scale), _band(v, 1.2 * PERIOD, 0.5, scale)
    return a + b - 2 * a * b


def _zigzag(u: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    wave = np.abs(u / PERIOD - np.round(u / PERIOD)) * PERIOD
    return _band(v + 1.2 * wave, PERIOD, 0.45, scale)


# coverage of the accent, from coordinates in px along and across the thing; thing k has pattern k % 8
PATTERNS: list[Callable[[np.ndarray, np.ndarray, float], np.ndarray]] = [
    lambda u, v, scale: _band(u, PERIOD, 0.45, scale),  # stripes
    _dots,
    _checks,
    lambda u, v, scale: _band(np.hypot(u, v), PERIOD, 0.45, scale),  # rings
    _zigzag,
    lambda u, v, scale: _band((u + v) * 0.7071, PERIOD, 0.45, scale),  # diagonals
    lambda u, v, scale: np.maximum(_band(u, PERIOD, 0.28, scale), _band(v, PERIOD, 0.28, scale)),  # grid
    lambda u, v, scale: _band(v, PERIOD, 0.45, scale),  # bars
]


def local_coordinates(thing: Thing, side: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Every pixel centre in the thing's own frame, two (side, side) maps in px, and the thing's half axes."""
    x, y = axes(side)
    half_pixel = 32 / side
    dx, dy = x + half_pixel - 64 * thing.x, y + half_pixel - 64 * thing.y
    cos, sin = np.cos(np.deg2rad(thing.angle)), np.sin(np.deg2rad(thing.angle))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    half = 32 * thing.size
    return (-u if thing.flip else u), v, half * thing.aspect**0.5, half / thing.aspect**0.5


def paint_thing(
    picture: np.ndarray,
    thing: Thing,
    distance_map: np.ndarray,
    pattern: int,
    base: np.ndarray,
    accent: np.ndarray,
) -> np.ndarray:
    """Paint a thing into `picture` (side, side, 3) float32, in place; returns its mask (side, side) bool."""
    side = len(picture)
    scale = side / 64
    u, v, half_x, half_y = local_coordinates(thing, side)
    to_template = TEMPLATE / (2 * REACH)
    map_x = (u / half_x + REACH) * to_template - 0.5
    map_y = (v / half_y + REACH) * to_template - 0.5
    distance = (
        cv2.remap(
            distance_map,
            map_x.astype(np.float32),
            map_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=OUTSIDE,
        )
        * (half_x * half_y) ** 0.5
    )
    share = PATTERNS[pattern](u, v, scale)[..., None]
    inside = base * (1 - share) + accent * share
    rim = coverage(-distance - RIM, scale)[..., None]
    inside = inside * (1 - rim) + RIM_SHADE * accent * rim
    cover = coverage(distance, scale)[..., None]
    picture *= 1 - cover
    picture += inside * cover
    return distance < 0


def split_line(rng: np.random.Generator, side: int, upright: bool) -> np.ndarray:
    """(side, side) signed distance in px from a waving border across the picture; negative above or left."""
    x, y = axes(side)
    along, across = (y, x) if upright else (x, y)
    place = rng.uniform(0.36, 0.64) * 64
    waves = rng.uniform(0, 3.5) * np.sin(along * 2 * np.pi / rng.uniform(30, 80) + rng.uniform(0, 6.3))
    return (across - place - waves + rng.uniform(-0.15, 0.15) * (along - 32)).astype(np.float32)


def finish(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Light, tint and sensor noise (sigma 2-8) of a photo: (side, side, 3) float32 -> uint8."""
    side = len(picture)
    light = 1 + 0.06 * smooth_noise(rng, side, 2, 2)[..., None]
    tint = rng.uniform(0.92, 1.08) * rng.uniform(0.97, 1.03, 3).astype(np.float32)
    noise = rng.standard_normal(picture.shape, np.float32) * rng.uniform(2, 8)
    return np.clip(picture * light * tint + noise, 0, 255).astype(np.uint8)
