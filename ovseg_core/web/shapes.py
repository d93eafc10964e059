"""Silhouettes of the toy world's things: polygons in a unit square, turned into signed distance maps.

Coordinates run from -1 to 1, y downwards. A signed distance map is negative inside; a thing of any size and
angle is drawn from it with clean edges, without supersampling.
"""

from collections.abc import Callable

import cv2
import numpy as np

CANVAS = 512  # pixels in which polygons are filled
TEMPLATE = 128  # pixels of a distance map
REACH = 1.3  # the template covers -REACH..REACH
Add = Callable[..., None]


def polar(radius: Callable[[np.ndarray], np.ndarray], points: int = 240) -> np.ndarray:
    """(points, 2) outline r(angle), angle 0 pointing up."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([radius(angle) * np.sin(angle), -radius(angle) * np.cos(angle)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """(240, 2) outline of an ellipse."""
    return polar(np.ones_like) * (rx, ry) + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """(4, 2) corners."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _fish(add: Add, cut: Add) -> None:
    add(ellipse(-0.22, 0, 0.72, 0.48))
    add([(0.3, 0), (0.95, -0.52), (0.8, 0), (0.95, 0.52)])
    add([(-0.4, -0.35), (0.05, -0.72), (0.25, -0.3)])


def _star(add: Add, cut: Add) -> None:
    tips = np.arange(10)
    radius = np.where(tips % 2, 0.42, 1.0)
    add(np.stack([radius * np.sin(tips * np.pi / 5), -radius * np.cos(tips * np.pi / 5)], axis=1))


def _mug(add: Add, cut: Add) -> None:
    add(ellipse(0.5, 0.02, 0.45, 0.46))
    cut(ellipse(0.5, 0.02, 0.23, 0.25))
    add([(-0.8, -0.8), (0.45, -0.8), (0.38, 0.8), (-0.73, 0.8)])


def _umbrella(add: Add, cut: Add) -> None:
    add(ellipse(0, 0.05, 0.98, 0.9))
    cut(box(-1.2, 0.05, 1.2, 1.2))
    for x in (-0.66, 0, 0.66):
        cut(ellipse(x, 0.09, 0.33, 0.16))
    add(box(-0.07, -0.95, 0.07, 0.75))
    add(ellipse(0.2, 0.72, 0.27, 0.27))
    cut(ellipse(0.2, 0.72, 0.13, 0.13))
    cut(box(0.07, 0.4, 0.5, 0.72))


def _house(add: Add, cut: Add) -> None:
    add([(-0.98, -0.05), (0, -0.95), (0.98, -0.05)])
    add(box(-0.75, -0.1, 0.75, 0.9))
    add(box(0.42, -0.85, 0.66, -0.2))
    cut(box(-0.2, 0.3, 0.2, 1.0))


def _heart(add: Add, cut: Add) -> None:
    t = np.linspace(0, 2 * np.pi, 200)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    add(np.stack([x / 17, -(y + 2.5) / 15.5], axis=1))


def _moon(add: Add, cut: Add) -> None:
    add(ellipse(0, 0, 0.95, 0.95))
    cut(ellipse(0.45, -0.12, 0.78, 0.78))


def _tree(add: Add, cut: Add) -> None:
    add(box(-0.14, 0.5, 0.14, 0.98))
    for top, bottom, half in ((-0.98, -0.2, 0.48), (-0.6, 0.25, 0.64), (-0.15, 0.68, 0.8)):
        add([(0, top), (half, bottom), (-half, bottom)])


def _flower(add: Add, cut: Add) -> None:
    add(polar(lambda a: 0.7 + 0.27 * np.cos(5 * a)))
    cut(ellipse(0, 0, 0.2, 0.2))


def _ring(add: Add, cut: Add) -> None:
    add(ellipse(0, 0, 0.95, 0.95))
    cut(ellipse(0, 0, 0.52, 0.52))


def _candy(add: Add, cut: Add) -> None:
    add(ellipse(0, 0, 0.52, 0.46))
    for side in (-1, 1):
        add([(0.38 * side, 0), (0.98 * side, -0.5), (0.82 * side, 0), (0.98 * side, 0.5)])


def _cross(add: Add, cut: Add) -> None:
    add(box(-0.3, -0.95, 0.3, 0.95))
    add(box(-0.95, -0.3, 0.95, 0.3))


def _kite(add: Add, cut: Add) -> None:
    add([(0, -0.98), (0.68, -0.28), (0, 0.5), (-0.68, -0.28)])
    add([(-0.04, 0.4), (0.05, 0.4), (0.16, 0.72), (0.02, 0.98), (-0.06, 0.95), (0.05, 0.72)])
    add([(0.1, 0.7), (0.36, 0.56), (0.36, 0.86)])
    add([(0.1, 0.7), (-0.16, 0.56), (-0.16, 0.86)])


def _bottle(add: Add, cut: Add) -> None:
    add(box(-0.17, -0.85, 0.17, 0))
    add(box(-0.23, -0.98, 0.23, -0.76))
    add(ellipse(0, -0.05, 0.48, 0.36))
    add(box(-0.48, -0.05, 0.48, 0.98))


def _boat(add: Add, cut: Add) -> None:
    add([(-0.95, 0.4), (0.95, 0.4), (0.62, 0.92), (-0.62, 0.92)])
    add(box(-0.06, -0.98, 0.06, 0.5))
    add([(0.12, -0.9), (0.85, 0.26), (0.12, 0.26)])
    add([(-0.12, -0.6), (-0.12, 0.26), (-0.7, 0.26)])


def _butterfly(add: Add, cut: Add) -> None:
    for side in (-1, 1):
        add(ellipse(0.5 * side, -0.38, 0.47, 0.42))
        add(ellipse(0.4 * side, 0.42, 0.36, 0.36))
    add(ellipse(0, 0, 0.13, 0.78))


SHAPES: dict[str, Callable[[Add, Add], None]] = {
    "fish": _fish,
    "star": _star,
    "mug": _mug,
    "umbrella": _umbrella,
    "house": _house,
    "heart": _heart,
    "moon": _moon,
    "tree": _tree,
    "flower": _flower,
    "ring": _ring,
    "candy": _candy,
    "cross": _cross,
    "kite": _kite,
    "bottle": _bottle,
    "boat": _boat,
    "butterfly": _butterfly,
}


def distance_map(name: str) -> np.ndarray:
    """(TEMPLATE, TEMPLATE) float32 signed distance in units of the unit square, negative inside."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)

    def fill(outline: np.ndarray, value: int) -> None:
        pixels = (np.asarray(outline, float) / REACH + 1) * CANVAS / 2 - 0.5
        cv2.fillPoly(canvas, [np.round(pixels).astype(np.int32)], value)

    SHAPES[name](lambda outline: fill(outline, 1), lambda outline: fill(outline, 0))
    inside = cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = (outside - inside) * (2 * REACH / CANVAS)
    return cv2.resize(distance, (TEMPLATE, TEMPLATE), interpolation=cv2.INTER_AREA)
