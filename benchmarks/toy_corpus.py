"""A corpus of toy scenes on disk, as docs/contracts.md has it, made without the stages before."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from ovseg_core import files, shards
from ovseg_core.masks import rle
from ovseg_core.web.world import draw_scene, scene_rng

JPEG_QUALITY = 92


def make_corpus(root: Path, captioned: int, labelled: int, shard_size: int = 500, side: int = 64) -> Path:
    """Shards of `captioned` and `labelled` scenes, the corpus tables, true masks in a teacher's place."""
    samples: list[dict] = []
    for is_labelled, count in ((False, captioned), (True, labelled)):
        for first in range(0, count, shard_size):
            name = f"L{first // shard_size:04d}" if is_labelled else f"{first // shard_size:05d}"
            numbers = range(first, min(first + shard_size, count))
            samples += write_shard(root, name, numbers, is_labelled, side)
    words = sorted({word for sample in samples for word in sample["words"]})
    vocabulary = {"word": words, "part": ["noun"] * len(words), "documents": [10] * len(words)}
    vocabulary |= {"kept": [True] * len(words), "reason": [""] * len(words)}
    shards.write_table(root / "corpus" / "samples.parquet", pa.Table.from_pylist(samples))
    shards.write_table(root / "corpus" / "vocabulary.parquet", pa.table(vocabulary))
    files.write_json(root / "features" / "features.json", {"backbone": None})
    return root


def write_shard(root: Path, name: str, numbers: range, is_labelled: bool, side: int) -> list[dict]:
    """One shard, its table and its masks; returns its rows of the corpus."""
    raw, rows, masks = [], [], []
    for row, number in enumerate(numbers):
        scene = draw_scene(scene_rng(0, "labelled" if is_labelled else "captioned", number), side)
        key = f"{name}{row:04d}"
        members = {"__key__": key, "jpg": jpeg(scene.image), "txt": scene.caption.encode()}
        raw.append(members | (shards.encode_segments(scene.segments) if is_labelled else {}))
        words = [word for word in scene.caption.lower().split() if word.isalpha()]
        sample = {"key": key, "shard": name, "row": row, "labelled": is_labelled}
        rows.append(sample | {"words": words, "parts": ["noun"] * len(words)})
        regions = scene.ids == np.arange(1, len(scene.names) + 1)[:, None, None]
        proposed = [{"counts": r["counts"], "score": 0.9, "box": [0.0] * 4} for r in rle.encode(regions) * 3]
        masks.append({"key": key, "size": [side, side], "masks": proposed})
    folder = root / ("labelled" if is_labelled else "shards")
    shards.write_tar(folder / f"{name}.tar", raw)
    shards.write_table(folder / f"{name}.parquet", pa.table({"key": [r["__key__"] for r in raw]}))
    if not is_labelled:
        shards.write_table(root / "pseudo" / "masks" / f"{name}.parquet", pa.Table.from_pylist(masks), "true")
    return rows


def jpeg(image: np.ndarray) -> bytes:
    """The image as JPEG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
