"""A corpus of a few coloured squares on disk, in the form of docs/contracts.md."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from ovseg_core import files, shards
from ovseg_core.masks import rle
from ovseg_core.records import Segments

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 230), "white": (240, 240, 240)}


def scene(number: int, side: int = 32) -> tuple[np.ndarray, np.ndarray, str]:
    """An image with one square, the square's mask, its colour's name; a pure function of `number`."""
    random = np.random.default_rng(number)
    name = sorted(COLOURS)[number % len(COLOURS)]
    image = np.full((side, side, 3), 90, np.uint8) + random.integers(0, 20, (side, side, 3), np.uint8)
    mask = np.zeros((side, side), bool)
    top, left = random.integers(0, side // 2, 2)
    mask[top : top + side // 2, left : left + side // 2] = True
    image[mask] = COLOURS[name]
    return image, mask, name


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def make_corpus(root: Path, captioned: list[int], labelled: list[int], side: int = 32) -> Path:
    """Shards of the given sizes under `root`, the corpus tables, a pseudo mask for each captioned image."""
    samples: list[dict] = []
    number = 0
    for labelled_shard, prefix, sizes in ((False, "", captioned), (True, "L", labelled)):
        for index, size in enumerate(sizes):
            shard = f"L{index:04d}" if prefix else f"{index:05d}"
            raw, masks = [], []
            for row in range(size):
                image, mask, name = scene(number, side)
                number += 1
                key = f"{shard}{row:04d}"
                members = {"__key__": key, "jpg": jpeg(image), "txt": f"a {name} square".encode()}
                if labelled_shard:
                    members |= shards.encode_segments(Segments(ids=mask.astype(np.uint16), names=[name]))
                raw.append(members)
                samples.append(
                    {
                        "key": key,
                        "shard": shard,
                        "row": row,
                        "labelled": labelled_shard,
                        "words": [name, "square"],
                        "parts": ["adjective", "noun"],
                    }
                )
                masks.append(
                    {
                        "key": key,
                        "size": [side, side],
                        "masks": [
                            {
                                "counts": rle.encode(mask[None])[0]["counts"],
                                "score": 0.9,
                                "box": [0.0, 0.0, 1.0, 1.0],
                            }
                        ],
                    }
                )
            folder = root / ("labelled" if labelled_shard else "shards")
            shards.write_tar(folder / f"{shard}.tar", raw)
            shards.write_table(folder / f"{shard}.parquet", pa.table({"key": [r["__key__"] for r in raw]}))
            if not labelled_shard:
                shards.write_table(
                    root / "pseudo" / "masks" / f"{shard}.parquet", pa.Table.from_pylist(masks), "made"
                )
    words = [*sorted(COLOURS), "square", "a"]
    vocabulary = {
        "word": words,
        "part": ["noun"] * 6,
        "documents": [9] * 6,
        "kept": [True] * 5 + [False],
        "reason": [""] * 6,
    }
    shards.write_table(root / "corpus" / "samples.parquet", pa.Table.from_pylist(samples))
    shards.write_table(root / "corpus" / "vocabulary.parquet", pa.table(vocabulary))
    files.write_json(root / "features" / "features.json", {"backbone": None})
    return root
