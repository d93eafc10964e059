"""Training scenes: image, caption with the words read from it, the words kept, the teachers' masks."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import shards
from ovseg_core.masks import nms, resize, rle
from ovseg_core.records import BadSample, Rle, Sample
from ovseg_core.reporting.blocks import Block, Gallery, Strip, Tile, missing
from ovseg_core.reporting.captions import mark
from ovseg_core.reporting.figures import MASKS, plain
from ovseg_core.reporting.pictures import overlay, to_uri
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources

MOST_MASKS = 6  # per scene and teacher
MAX_IOU = 0.7  # above it, the worse of two masks is left out of the picture
MOST_SHARDS = 2  # the scenes come from so many: their tars are read
KINDS = {"nouns": "noun", "adjectives": "adjective", "verbs": "verb"}  # column of data/text -> class name
Row = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """What the steps made of one training sample."""

    sample: Sample
    text: Row  # of data/text
    words: list[str]  # kept for training
    masks: dict[str, Row]  # per teacher its row of data/pseudo


def training_scenes(sources: Sources, settings: ReportSettings) -> Block:
    """Kept caption-only samples, drawn by `report.seed`, with the masks of every teacher."""
    samples = choose(sources, settings)
    if not samples:
        return missing("No training scenes: no caption-only sample is kept.")
    teachers = sources.folders_with("data/pseudo", suffix=".parquet")
    scenes = collect(sources, samples, teachers)
    if not scenes:
        return missing("No training scenes: the shards of the kept samples are not here.")
    with_masks = (
        f"Masks by teacher {', '.join(teachers)} with their scores: as stored, before thresholds; the best "
        f"{MOST_MASKS} that overlap by at most {MAX_IOU}."
        if teachers
        else "No teacher has labelled them."
    )
    caption = (
        "Training scenes: image, caption with the nouns and adjectives that were read from it, and the words "
        f"that are kept for training. {with_masks} Drawn with seed {settings.seed}."
    )
    return Gallery([strip(scene, teachers) for scene in scenes], caption, 1 + len(teachers), kind="scenes")


def choose(sources: Sources, settings: ReportSettings) -> list[Row]:
    """`report.gallery` rows of samples.parquet that have only a caption, ordered by key."""
    table = sources.table("data/corpus/samples.parquet")
    if table is None:
        return []
    table = table.filter(pc.invert(table["labelled"]))
    rng = np.random.default_rng(settings.seed)
    few = rng.permutation(sorted(table["shard"].unique().to_pylist()))[:MOST_SHARDS].tolist()
    table = table.filter(pc.is_in(table["shard"], pa.array(few, table["shard"].type)))
    picked = rng.permutation(len(table))[: settings.gallery]
    return sorted(table.take(picked).to_pylist(), key=lambda row: row["key"])


def collect(sources: Sources, samples: list[Row], teachers: list[str]) -> list[Scene]:
    """Read the shards of the chosen samples once each; a sample that cannot be decoded is left out."""
    scenes = []
    for shard in sorted({shards.name_of(row["shard"]) for row in samples}):
        rows = {row["key"]: row for row in samples if shards.name_of(row["shard"]) == shard}
        text = _rows(sources, rows, "data/text", f"{shard}.parquet")
        pseudo = {name: _rows(sources, rows, "data/pseudo", name, f"{shard}.parquet") for name in teachers}
        for key, sample in _samples(sources, shard, set(rows)).items():
            masks = {name: found[key] for name, found in pseudo.items() if key in found}
            scenes.append(Scene(sample, text.get(key, {}), rows[key]["words"], masks))
    return scenes


def strip(scene: Scene, teachers: list[str]) -> Strip:
    """The images and the marked caption of one scene."""
    lemmas = {kind: scene.text.get(column) or [] for column, kind in KINDS.items()}
    tiles = [Tile(to_uri(scene.sample.image)), *(_mask_tile(scene, teacher) for teacher in teachers)]
    return Strip(
        scene.sample.key, tiles, mark(scene.sample.caption, lemmas), [plain(word) for word in scene.words]
    )


def _mask_tile(scene: Scene, teacher: str) -> Tile:
    """The best masks over the image, and their scores as chips in the same colours."""
    row = scene.masks.get(teacher)
    if row is None:
        return Tile("", teacher)
    try:
        masks, scores = best_masks(row)
    except BadSample:
        return Tile("", teacher)
    picture = overlay(scene.sample.image, resize.resize(masks, *scene.sample.image.shape[:2]))
    chips = tuple((MASKS[i % len(MASKS)], f"{score:.2f}") for i, score in enumerate(scores))
    return Tile(to_uri(picture), teacher, chips=chips)


def best_masks(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """The masks to draw of one row of data/pseudo: (N, H, W) bool and (N,) scores, best first."""
    masks = [Rle(size=list(row["size"]), counts=mask["counts"]) for mask in row["masks"]]
    decoded = rle.decode(masks)  # all of them first: it is the check that the runs fit
    filled = [i for i, mask in enumerate(decoded) if mask.any()]
    scores = np.array([row["masks"][i]["score"] for i in filled])
    kept = nms.suppress([masks[i] for i in filled], scores, MAX_IOU)[:MOST_MASKS]
    return decoded[[filled[i] for i in kept]], scores[kept]


def _rows(sources: Sources, keys: Iterable[str], *names: str) -> dict[str, Row]:
    """The rows of a parquet table that have one of the keys; none where the table is not there."""
    table = sources.table(*names)
    if table is None:
        return {}
    found = table.filter(pc.is_in(table["key"], pa.array(list(keys), pa.string())))
    return {row["key"]: row for row in found.to_pylist()}


def _samples(sources: Sources, shard: str, keys: set[str]) -> dict[str, Sample]:
    """The decodable samples of one shard that have one of the keys."""
    found: dict[str, Sample] = {}
    path = sources.path("data/shards", f"{shard}.tar")
    with suppress(BadSample, FileNotFoundError):  # a tar that is cut: the scenes before the cut are enough
        for raw in shards.read_tar(path):
            if raw["__key__"] in keys:
                with suppress(BadSample):
                    found[raw["__key__"]] = shards.decode_sample(raw)
            if len(found) == len(keys):
                break
    return found
