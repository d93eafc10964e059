"""The toy world: 16 things in 8 textured backgrounds, with exact masks and alt-text-like captions.

A thing has a silhouette, a base colour that captions may name, and an accent pattern of its own. 24 of the
144 pairs of colour and thing never occur in training; held-out scenes have only those.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ovseg_core.records import Segments
from ovseg_core.web import captions, drawing
from ovseg_core.web.drawing import Thing
from ovseg_core.web.shapes import SHAPES, distance_map
from ovseg_core.web.textures import TEXTURES

THINGS = list(SHAPES)
STUFF = list(TEXTURES)
COLOURS = {
    "red": (206, 34, 40),
    "orange": (244, 130, 28),
    "yellow": (250, 218, 48),
    "green": (44, 160, 56),
    "blue": (40, 84, 214),
    "purple": (122, 48, 168),
    "pink": (248, 150, 190),
    "white": (244, 244, 240),
    "black": (28, 28, 32),
}
ACCENTS = [
    (150, 12, 28),  # crimson
    (255, 196, 0),  # amber
    (0, 190, 190),  # turquoise
    (236, 40, 170),  # magenta
    (20, 30, 120),  # navy
    (160, 236, 40),  # lime
    (255, 255, 255),  # white
    (96, 56, 24),  # umber
]
KINDS = {"portrait": 0.40, "multi": 0.45, "landscape": 0.15}
USUAL = 0.65  # share of things in one of their three usual colours
MIN_VISIBLE = 12  # pixels of a picture of 64; a smaller rest of a segment is not annotated
SPLITS = ["labelled", "captioned", "toy-val", "toy-test"]  # scenes of two splits never share a seed


@dataclass(frozen=True)
class Scene:
    """One picture with its truth."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    ids: np.ndarray  # (S, S) uint16, 0 where nothing is annotated, else an index into names plus one
    names: list[str]  # class of each segment; backgrounds first
    caption: str
    things: list[Thing]  # of the annotated things, in the order of names
    kind: str

    @property
    def segments(self) -> Segments:
        return Segments(ids=self.ids, names=self.names)


def usual_colours(thing: str) -> list[str]:
    """The three colours in which a thing mostly comes."""
    k = THINGS.index(thing)
    return [list(COLOURS)[(5 * k + step) % 9] for step in (2, 4, 7)]


@cache
def held_out_pairs() -> frozenset[tuple[str, str]]:
    """The 24 (colour, thing) that never occur in training: one colour of every thing, two of every other."""
    pairs = {(k, (5 * k + 1) % 9) for k in range(16)} | {(k, (5 * k + 5) % 9) for k in range(0, 16, 2)}
    return frozenset((list(COLOURS)[colour], THINGS[k]) for k, colour in pairs)


@cache
def _distance(thing: str) -> np.ndarray:
    return distance_map(thing)


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """The generator of one scene: scenes can be drawn in any order, by any process, with the same bytes."""
    return np.random.default_rng([seed, SPLITS.index(split), index])


def draw_scene(
    rng: np.random.Generator, side: int = 64, kind: str | None = None, held_out: bool = False
) -> Scene:
    """Draw one scene.

    Args:
        rng: of this scene alone; see `scene_rng`.
        side: of the picture, in pixels.
        kind: portrait (one large thing), multi (1-3) or landscape (0 or 1, two backgrounds); drawn when None.
        held_out: only colour-thing pairs that never occur in training, and at least one thing.
    """
    kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
    grounds = {"portrait": 1, "multi": int(rng.integers(1, 3)), "landscape": 2}[kind]
    picture, ids, stuff = _draw_backgrounds(rng, side, grounds)
    things = _place_things(rng, kind, held_out)
    for number, thing in enumerate(things, start=len(stuff) + 1):
        ids[paint(picture, thing)] = number
    image = drawing.finish(rng, picture)
    ids, kept = _drop_slivers(ids, len(stuff) + len(things))
    names = [*stuff, *(thing.name for thing in things)]
    seen = [things[number - len(stuff)] for number in kept if number >= len(stuff)]
    shown = [names[number] for number in kept]
    caption = _describe(rng, shown, seen, kind)
    return Scene(image, ids, shown, caption, seen, kind)


def describe(rng: np.random.Generator, scene: Scene) -> str:
    """Another caption of a scene."""
    return _describe(rng, scene.names, scene.things, scene.kind)


def _describe(rng: np.random.Generator, names: list[str], things: list[Thing], kind: str) -> str:
    places = [name for name in names if name in STUFF]
    return captions.write(rng, [(t.colour, t.name) for t in things], places, kind)


def _draw_backgrounds(
    rng: np.random.Generator, side: int, number: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Picture, segment ids and names of one background, or of two that meet in a waving line, sky above."""
    names = [str(name) for name in rng.choice(STUFF, number, replace=False)]
    if names[-1] == "sky":
        names.reverse()
    picture = TEXTURES[names[0]](rng, side).astype(np.float32)
    ids = np.ones((side, side), np.uint16)
    if number == 2:
        distance = drawing.split_line(rng, side, upright="sky" not in names and rng.random() < 0.3)
        cover = drawing.coverage(-distance, side / 64)[..., None]
        picture = picture * (1 - cover) + TEXTURES[names[1]](rng, side) * cover
        ids[distance > 0] = 2
    return picture, ids, names


def _place_things(rng: np.random.Generator, kind: str, held_out: bool) -> list[Thing]:
    if kind == "portrait":
        place = rng.uniform(0.44, 0.56, 2)
        return [_make_thing(rng, place, rng.uniform(0.60, 0.95), held_out)]
    number = int(rng.integers(1, 4)) if kind == "multi" else int(held_out or rng.random() < 0.5)
    things: list[Thing] = []
    for _ in range(number):
        size = rng.uniform(0.34, 0.60)
        places = rng.uniform(0.42 * size, 1 - 0.42 * size, (12, 2))  # a little may stick out of the picture
        # The emptiest of a dozen places: things overlap now and then, and seldom hide each other.
        room = [min((np.hypot(x - t.x, y - t.y) for t in things), default=0) for x, y in places]
        things.append(_make_thing(rng, places[int(np.argmax(np.minimum(room, 0.45)))], size, held_out))
    return things


def _make_thing(rng: np.random.Generator, place: np.ndarray, size: float, held_out: bool) -> Thing:
    if held_out:
        pairs = sorted(held_out_pairs())
        colour, name = pairs[rng.integers(len(pairs))]
    else:
        name = str(rng.choice(THINGS))
        usual = rng.random() < USUAL
        allowed = usual_colours(name) if usual else [c for c in COLOURS if (c, name) not in held_out_pairs()]
        colour = str(rng.choice(allowed))
    return Thing(
        name=name,
        colour=colour,
        x=float(place[0]),
        y=float(place[1]),
        size=float(size),
        angle=float(rng.uniform(-25, 25)),
        aspect=float(rng.uniform(0.85, 1.18)),
        flip=bool(rng.random() < 0.5),
    )


def paint(picture: np.ndarray, thing: Thing) -> np.ndarray:
    """Paint a thing into `picture` (S, S, 3) float32, in place; returns its mask (S, S) bool."""
    k = THINGS.index(thing.name)
    base = np.asarray(COLOURS[thing.colour], np.float32)
    accent = np.asarray(ACCENTS[(3 * k + k // 8) % 8], np.float32)
    return drawing.paint_thing(picture, thing, _distance(thing.name), k % 8, base, _apart(accent, base))


def _apart(accent: np.ndarray, base: np.ndarray) -> np.ndarray:
    """The accent, moved towards white or black where it would vanish on its base colour."""
    if np.abs(accent - base).sum() >= 150:
        return accent
    return accent * 0.45 if base.mean() > 110 else accent * 0.4 + 150


def _drop_slivers(ids: np.ndarray, number: int) -> tuple[np.ndarray, list[int]]:
    """Ids without segments of a few visible pixels, numbered anew, and the old indices (from 0) that stay."""
    areas = np.bincount(ids.ravel(), minlength=number + 1)[1:]
    kept = np.flatnonzero(areas >= MIN_VISIBLE * (len(ids) / 64) ** 2)
    renumber = np.zeros(number + 1, np.uint16)
    renumber[kept + 1] = np.arange(1, len(kept) + 1)
    return renumber[ids], kept.tolist()
