"""One random view of an image and its masks: scale jitter, crop or reflected border, flip.

Shape letters: H, W the stored image; S the side of the view; M masks. Every choice is drawn from the
generator that is handed in, which the loader seeds with (seed, position, sample key).
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ovseg_core.training.settings import DataSettings


@dataclass(frozen=True)
class View:
    """Where the view lies: the image resized to (height, width), (S, S) pixels read from (top, left).

    What lies outside of the image is its reflection, in masks too, so that no part of a view is empty.
    """

    height: int
    width: int
    top: int  # may be negative
    left: int
    side: int
    flipped: bool

    def image(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (S, S, 3) uint8."""
        if image.shape[:2] != (self.height, self.width):
            shrinks = self.height * self.width < image.shape[0] * image.shape[1]
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            image = cv2.resize(image, (self.width, self.height), interpolation=method)
        if not self.inside:
            return image.take(self.rows, axis=0).take(self.columns, axis=1)
        crop = image[self.top : self.top + self.side, self.left : self.left + self.side]
        return cv2.flip(crop, 1) if self.flipped else crop

    def masks(self, masks: np.ndarray, stride: int) -> np.ndarray:
        """(M, H, W) bool or integer -> (M, S/stride, S/stride): the value at the centre of each cell."""
        if not len(masks):  # of whatever height: a teacher may find nothing in an image
            return np.zeros((0, self.side // stride, self.side // stride), masks.dtype)
        centres = slice(stride // 2, None, stride)
        if self.inside and masks.shape[1:] == (self.height, self.width):
            crop = masks[:, self.top : self.top + self.side, self.left : self.left + self.side]
            return crop[:, :, :: -1 if self.flipped else 1][:, centres, centres]
        rows = ((self.rows[centres] + 0.5) * (masks.shape[1] / self.height)).astype(int)
        columns = ((self.columns[centres] + 0.5) * (masks.shape[2] / self.width)).astype(int)
        return masks[:, rows[:, None], columns]

    @property
    def inside(self) -> bool:
        """Whether nothing is reflected: then the view is a slice, several times as fast as a gather."""
        bottom, right = self.top + self.side, self.left + self.side
        return min(self.top, self.left) >= 0 and bottom <= self.height and right <= self.width

    @cached_property
    def rows(self) -> np.ndarray:
        """(S,) row of the resized image that each row of the view reads."""
        return _reflect(np.arange(self.top, self.top + self.side), self.height)

    @cached_property
    def columns(self) -> np.ndarray:
        """(S,) column of the resized image that each column of the view reads."""
        columns = _reflect(np.arange(self.left, self.left + self.side), self.width)
        return columns[::-1] if self.flipped else columns


def draw_view(height: int, width: int, settings: DataSettings, random: np.random.Generator) -> View:
    """A random view of an (height, width) image; at scale 1 its shorter side fits the view exactly."""
    low, high = settings.scale_jitter
    scale = settings.size / min(height, width) * random.uniform(low, high)
    scaled_height, scaled_width = max(1, round(height * scale)), max(1, round(width * scale))
    return View(
        height=scaled_height,
        width=scaled_width,
        top=_offset(scaled_height, settings.size, random),
        left=_offset(scaled_width, settings.size, random),
        side=settings.size,
        flipped=settings.flip and bool(random.random() < 0.5),
    )


def whole_view(settings: DataSettings, random: np.random.Generator) -> View:
    """The whole image squeezed into the square, perhaps flipped: what cached maps of a backbone show."""
    flipped = settings.flip and bool(random.random() < 0.5)
    return View(settings.size, settings.size, 0, 0, settings.size, flipped)


def _offset(length: int, side: int, random: np.random.Generator) -> int:
    room = length - side
    return int(random.integers(0, room + 1)) if room >= 0 else -int(random.integers(0, 1 - room))


def _reflect(places: np.ndarray, length: int) -> np.ndarray:
    """Coordinates outside of [0, length) folded back, the border pixel not repeated."""
    if places[0] >= 0 and places[-1] < length:  # rising, so the ends tell
        return places
    period = max(2 * (length - 1), 1)
    places = np.abs(places) % period
    return np.minimum(places, period - places) if length > 1 else np.zeros_like(places)
