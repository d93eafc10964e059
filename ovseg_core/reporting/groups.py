"""What models that group see in training images: groups in one colour each, and the masks of entity pairs."""

import json
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load

from ovseg_core import shards
from ovseg_core.reporting.blocks import Block, Gallery, Heading, Strip, Tile
from ovseg_core.reporting.pictures import overlay, to_uri
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep

FILE = "groups.safetensors"
MOST = 8  # images of a run
SIDE = 160  # of a tile, pixels
MASKS = (("own", "mask from its own groups"), ("cross", "mask from the other image's groups"))
PAIRS = (
    " Images that follow each other share an entity. Its masks in an image are those of the group nearest "
    "to it: of the image's own (the target, of the momentum model where there is one), and of the other "
    "image's."
)


def blocks(sources: Sources, sweep: Sweep) -> list[Block]:
    """A gallery per run whose training left such images; [] where none did."""
    found: list[Block] = []
    for run in sweep.runs:
        seed = next((s for s in sweep.seeds if sources.exists("models", run, str(s), FILE)), None)
        if seed is not None:
            content = sources.bytes("models", run, str(seed), FILE) or b""
            found.append(gallery(sources, run, seed, content))
    return [Heading("Groups"), *found] if found else []


def gallery(sources: Sources, run: str, seed: int, content: bytes) -> Gallery:
    """The images of one run: groups, and for pairs the masks of the entity that both show."""
    arrays, note = load(content), note_of(content)
    images = _images(sources, arrays, note["keys"][:MOST])
    strips = [
        Strip(
            _title(note, row), _tiles(arrays, row, image), [(note["captions"][row], "")], [_title(note, row)]
        )
        for row, image in enumerate(images)
        if image is not None
    ]
    columns = 2 + sum(name in arrays for name, _ in MASKS)
    caption = f"Groups of {run} in training images, seed {seed}: a location has its strongest group's colour."
    return Gallery(strips, caption + (PAIRS if columns > 2 else ""), columns, kind="scenes")


def note_of(content: bytes) -> dict[str, Any]:
    """What the training wrote beside the tensors: keys, captions, shared entities."""
    length = int.from_bytes(content[:8], "little")
    note: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["ovseg"])
    return note


def _title(note: dict[str, Any], row: int) -> str:
    shared = note["shared"][row] if note["shared"] else ""
    return f"pair: {shared}" if shared else "image"


def _images(sources: Sources, arrays: dict[str, np.ndarray], keys: list[str]) -> list[np.ndarray | None]:
    """(S, S, 3) uint8 each: as the training saw them, or, where it read cached maps, from the shards."""
    if "images" in arrays:
        return list(arrays["images"].transpose(0, 2, 3, 1)[: len(keys)])
    found: dict[str, np.ndarray] = {}
    for shard in sorted({key[:-4] for key in keys}):
        if sources.exists("data/shards", f"{shard}.tar"):
            members = shards.read_tar(sources.path("data/shards", f"{shard}.tar"))
            found |= {m["__key__"]: shards.decode_image(m["jpg"]) for m in members if m["__key__"] in keys}
    return [found.get(key) for key in keys]


def _tiles(arrays: dict[str, np.ndarray], row: int, given: np.ndarray) -> list[Tile]:
    image = np.asarray(Image.fromarray(given).resize((SIDE, SIDE)))
    groups = _resized(arrays["groups"][row], Image.Resampling.NEAREST)
    masks = groups == np.arange(int(arrays["groups"].max()) + 1)[:, None, None]
    lit = [Tile(to_uri(_lit(image, arrays[name][row])), label) for name, label in MASKS if name in arrays]
    return [Tile(to_uri(image), "image"), Tile(to_uri(overlay(image, masks)), "groups"), *lit]


def _lit(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image as bright as its mask: a location of probability 0 keeps a fifth."""
    share = _resized(mask, Image.Resampling.BILINEAR)[..., None] / 255
    return (image * (0.2 + 0.8 * share)).round().astype(np.uint8)


def _resized(plane: np.ndarray, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((SIDE, SIDE), how))
