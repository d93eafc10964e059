"""Scoring a method on a benchmark, batch by batch, every reading on the same decoded images."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import VOID, Benchmark, BenchmarkError, classes_in
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.scoreboard import Scoreboard
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method, Regions


@dataclass(frozen=True)
class Scene:
    """One image of a batch. Sizes are (H, W)."""

    key: str
    image: np.ndarray  # (H, W, 3) uint8
    truth: np.ndarray  # (H, W) uint16
    counted: np.ndarray  # the same, void where it is a class that is never asked for


def plan(benchmark: Benchmark, batch_size: int) -> list[list[str]]:
    """Ids in batches of images that share a size, so that none is padded; in the order of the benchmark."""
    same: dict[tuple[int, int], list[str]] = defaultdict(list)
    for key in benchmark.ids:
        same[_size(benchmark, key)].append(key)
    return [keys[i : i + batch_size] for keys in same.values() for i in range(0, len(keys), batch_size)]


def gallery_ids(benchmark: Benchmark, count: int, seed: int) -> list[str]:
    """A fixed choice of scenes, the same for every method: it depends on the ids and the seed alone."""
    chosen = np.random.default_rng(seed).permutation(len(benchmark.ids))[:count]
    return [benchmark.ids[index] for index in sorted(chosen)]


class Evaluator:
    """One model, all readings of it, one benchmark. `keep` names the scenes whose class maps are kept."""

    def __init__(
        self,
        method: Method,
        benchmark: Benchmark,
        readings: Mapping[str, EvalSettings],
        main: str,
        keep: Sequence[str] = (),
    ) -> None:
        self.method, self.benchmark, self.readings, self.main = method, benchmark, readings, main
        self.keep = frozenset(keep)
        self.asked = [index for index, names in enumerate(benchmark.queries) if names]
        prompts = {settings.prompts for settings in readings.values()}
        with torch.inference_mode():
            self.queries = {p: inference.embed_classes(method, benchmark.queries, p) for p in sorted(prompts)}
        self.device = next(iter(self.queries.values())).embeddings.device

    @torch.inference_mode()
    def __call__(self, keys: Sequence[str]) -> dict[str, Scoreboard]:
        """Score one batch of images that share a size: reading -> counts."""
        scenes = [self._load(key) for key in keys]
        sides = {settings.short_side for settings in self.readings.values()}
        images = {side: self._to_input(scenes, side) for side in sides}  # one tensor: models know it again
        return {
            name: self._read(scenes, images[settings.short_side], name)
            for name, settings in self.readings.items()
        }

    def _to_input(self, scenes: Sequence[Scene], side: int | None) -> Tensor:
        return inference.to_input([scene.image for scene in scenes], side, self.device)

    def _load(self, key: str) -> Scene:
        image = self.benchmark.image(key)
        truth = self.benchmark.truth(key, image.shape[:2])
        return Scene(key, image, truth, self._restrict(truth, self.asked))

    def _read(self, scenes: Sequence[Scene], images: Tensor, name: str) -> Scoreboard:
        settings = self.readings[name]
        board = Scoreboard.empty(len(self.benchmark.names), settings.max_proposals)
        truths = [scene.truth for scene in scenes]
        given, probed = settings.use_proposals == "ground_truth", name == self.main
        if given or probed:
            regions = inference.truth_regions(truths, images.shape[2:]).to(self.device)
        wanted = cast(Regions, regions if given else settings.use_proposals)
        scores = self._scores(images, settings, wanted)
        for scene, one in zip(scenes, scores, strict=True):
            self._count_pixels(board, scene, one)
        if probed:  # further readings of the same weights would only repeat it
            pooled = scores if given else self._scores(images, settings, regions)
            self._count_regions(board, scenes, inference.region_scores(pooled, regions, self.asked))
        if settings.use_proposals == "predicted" and hasattr(self.method, "proposals"):
            self._count_proposals(board, scenes, self.method.proposals(images))
        return board

    def _scores(self, images: Tensor, settings: EvalSettings, regions: Regions) -> Tensor:
        queries = self.queries[settings.prompts]
        return inference.class_scores(self.method, images, queries, regions, settings.centring)

    def _count_pixels(self, board: Scoreboard, scene: Scene, scores: Tensor) -> None:
        truth, size = scene.counted, scene.truth.shape
        guess = inference.class_map(scores, size, self.asked)
        board.images += 1
        if scene.key in self.keep:
            board.maps[scene.key] = guess
        if scene.key in self.benchmark.held_out:
            board.held_out.update(guess, truth)
            return
        board.miou.update(guess, truth)
        board.per_image.update(scene.key, guess, truth)
        present = classes_in(truth)
        board.grounding.update(inference.class_map(scores, size, present), truth)
        if self.benchmark.background:
            objects = self.benchmark.foreground
            guess = inference.class_map(scores, size, objects)
            board.foreground.update(guess, self._restrict(truth, objects))

    def _restrict(self, truth: np.ndarray, classes: Sequence[int]) -> np.ndarray:
        wanted = np.zeros(VOID + 1, bool)
        wanted[list(classes)] = True
        return np.where(wanted[truth], truth, VOID).astype(np.uint16)

    def _count_regions(self, board: Scoreboard, scenes: Sequence[Scene], pooled: np.ndarray) -> None:
        for scene, rows in zip(scenes, pooled, strict=True):
            if scene.key not in self.benchmark.held_out:
                labels = np.asarray(classes_in(scene.truth), np.int64)
                board.probe.update(rows[: len(labels)], labels)

    def _count_proposals(self, board: Scoreboard, scenes: Sequence[Scene], proposals: Tensor) -> None:
        background = self.benchmark.background
        for scene, probabilities in zip(scenes, proposals, strict=True):
            if scene.key not in self.benchmark.held_out:
                masks = inference.proposal_masks(probabilities[: board.recall.cap], scene.truth.shape)
                board.recall.update(masks, scene.truth, [background.index] if background else [])


def _size(benchmark: Benchmark, key: str) -> tuple[int, int]:
    path = benchmark.source.image_path(key)
    try:
        with files.open_read(path) as handle, Image.open(handle) as image:  # the header alone
            return image.height, image.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BenchmarkError(f"{path} cannot be read as an image: {error}") from error
