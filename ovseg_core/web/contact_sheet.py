"""One picture that shows the toy world: its things, its backgrounds, some scenes and their truth."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ovseg_core.web import drawing, world
from ovseg_core.web.benchmark_writer import voc_palette
from ovseg_core.web.textures import TEXTURES

TILE = 144
GAP = 8
COLUMNS = 8
LABEL = 24
PAPER, INK = (255, 255, 255), (40, 40, 44)
GREY = 222.0  # behind the things of the catalogue


def draw(seed: int) -> bytes:
    """The sheet as PNG: 16 things, 8 backgrounds, 16 scenes of 64 pixels and below each its segments."""
    things = [(_thing(name), f"{world.usual_colours(name)[0]} {name}") for name in world.THINGS]
    textures = [(_texture(name, seed), name) for name in world.STUFF]
    scenes = [world.draw_scene(world.scene_rng(seed, "captioned", index)) for index in range(16)]
    rows = [things[:COLUMNS], things[COLUMNS:], textures]
    for half in (scenes[:COLUMNS], scenes[COLUMNS:]):
        rows.append([(_enlarge(scene.image), "") for scene in half])
        rows.append([(_enlarge(_truth(scene)), "") for scene in half])
    sheet = Image.new("RGB", (COLUMNS * (TILE + GAP) + GAP, _height(rows)), PAPER)
    y = GAP
    for row in rows:
        for column, (tile, label) in enumerate(row):
            _paste(sheet, tile, label, GAP + column * (TILE + GAP), y)
        y += TILE + GAP + (LABEL if row[0][1] else 0)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _height(rows: list[list[tuple[Image.Image, str]]]) -> int:
    return GAP + sum(TILE + GAP + (LABEL if row[0][1] else 0) for row in rows)


def _paste(sheet: Image.Image, tile: Image.Image, label: str, x: int, y: int) -> None:
    sheet.paste(tile, (x, y))
    if label:
        place = (x + TILE // 2, y + TILE + LABEL // 2)
        ImageDraw.Draw(sheet).text(place, label, INK, ImageFont.load_default(15), anchor="mm")


def _thing(name: str) -> Image.Image:
    picture = np.full((TILE, TILE, 3), GREY, np.float32)
    colour = world.usual_colours(name)[0]
    thing = drawing.Thing(name, colour, x=0.5, y=0.5, size=0.86, angle=0, aspect=1, flip=False)
    world.paint(picture, thing)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _texture(name: str, seed: int) -> Image.Image:
    picture = TEXTURES[name](np.random.default_rng([seed, world.STUFF.index(name)]), TILE)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _truth(scene: world.Scene) -> np.ndarray:
    """(S, S, 3) uint8: each class in its colour of VOC's palette, unannotated pixels white."""
    classes = [*world.THINGS, *world.STUFF]
    palette = np.frombuffer(voc_palette(), np.uint8).reshape(256, 3)
    colours = [PAPER, *(palette[classes.index(name) + 1] for name in scene.names)]
    return np.array(colours, np.uint8)[scene.ids]


def _enlarge(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.NEAREST)
