"""Scoring a method on a benchmark, batch by batch, every reading on the same decoded images."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ovseg_core import files
from ovseg_core.benchmarks.background import with_background
from ovseg_core.benchmarks.benchmark import VOID, Benchmark, BenchmarkError, classes_in
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.scoreboard import Scoreboard
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method, Regions
from ovseg_core.metrics.recall import best_iou, segments_of
from ovseg_core.params import ParamError

SCORES = 2**26  # of a batch, at the stride of the finest level: 256 MB
STRIDE = 4
Batches = Sequence[Sequence[str]]  # of ids
Boards = dict[str, Scoreboard]  # by reading


@dataclass(frozen=True)
class Scene:
    """One image of a batch. Sizes are (H, W)."""

    key: str
    image: np.ndarray  # (H, W, 3) uint8
    truth: np.ndarray  # (H, W) uint16


@dataclass(frozen=True)
class Answers:
    """What a model says of a batch of B images in one reading; None for what it is not asked."""

    scores: Tensor | None  # (B, C, h, w)
    pooled: np.ndarray | None  # (B, M, C) of the truth's regions
    proposals: Tensor | None  # (B, N, h', w') mask probabilities


def plan(benchmark: Benchmark, settings: EvalSettings) -> list[list[str]]:
    """Ids in batches of images that share a size, so that none is padded; in the order of the benchmark.

    At most `batch_size` of them, and fewer where their scores would take more memory than SCORES: with 847
    classes at 512x512 three.
    """
    same: dict[tuple[int, int], list[str]] = defaultdict(list)
    for key in benchmark.ids:
        same[_size(benchmark, key)].append(key)
    texts = sum(map(len, benchmark.queries))
    return [
        keys[i : i + count]
        for size, keys in same.items()
        for count in [_images_at_a_time(size, texts, settings)]
        for i in range(0, len(keys), count)
    ]


def _images_at_a_time(size: tuple[int, int], texts: int, settings: EvalSettings) -> int:
    shrink = settings.short_side / min(size) if settings.short_side else 1.0
    scores = max(1, texts) * math.prod(size) * shrink**2 / STRIDE**2
    return max(1, min(settings.batch_size, int(SCORES / scores)))


def gallery_ids(benchmark: Benchmark, count: int, seed: int) -> list[str]:
    """A fixed choice of scenes, the same for every method: it depends on the ids and the seed alone."""
    chosen = np.random.default_rng(seed).permutation(len(benchmark.ids))[:count]
    return [benchmark.ids[index] for index in sorted(chosen)]


class Evaluator:
    """One model, all readings of it, one benchmark. `keep` names the scenes whose class maps are kept.

    A model without a text tower, and a benchmark without names, are scored by their segments alone.

    Raises:
        ParamError: for a model that answers neither, or a background that the benchmark does not have.
    """

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
        self.by_name = hasattr(method, "embed_text") and not benchmark.class_agnostic
        if not self.by_name and not hasattr(method, "proposals"):
            raise ParamError(
                f"{type(method).__name__} proposes no masks, and {benchmark.name} scores nothing else of it"
            )
        self.device = next(cast(torch.nn.Module, method).parameters()).device
        self.benchmarks = variants(benchmark, readings)
        self.queries = self._queries() if self.by_name else {}
        self.temperature = inference.temperature_of(method)

    @torch.inference_mode()
    def _queries(self) -> dict[str, inference.Queries]:
        """Per reading what is asked for; readings that ask for the same share it."""
        made: dict[str, inference.Queries] = {}
        for name, settings in self.readings.items():
            asked = self.benchmarks[name].queries
            key = files.fingerprint(asked, settings.prompts)
            made[name] = made.get(key) or inference.embed_classes(self.method, asked, settings.prompts)
            made[key] = made[name]
        return made

    def over(self, batches: Batches, done: Callable[[int], Any] = lambda images: None) -> Boards:
        """Score batch after batch.

        While the model looks at one, the next is decoded and the one before is counted. `done` hears of the
        number of images of every batch.
        """
        boards = self.empty()
        with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as counter:
            loading = [decoder.submit(self._load_all, keys) for keys in batches[:1]]
            counting: list[Future[None]] = []
            for following in [*batches[1:], None]:
                for scenes in [future.result() for future in loading]:
                    loading = [decoder.submit(self._load_all, following)] if following else []
                    answers = self.ask(scenes)
                    for future in counting:  # no more than two batches of scores at a time
                        future.result()
                    counting = [counter.submit(self.count, scenes, answers, boards)]
                    done(len(scenes))
            for future in counting:
                future.result()
        return boards

    def __call__(self, keys: Sequence[str]) -> Boards:
        """Score one batch of images that share a size: reading -> counts."""
        return self.over([keys])

    def empty(self) -> Boards:
        """Boards with nothing on them."""
        classes = len(self.benchmark.names)
        return {name: Scoreboard.empty(classes, s.max_proposals) for name, s in self.readings.items()}

    @torch.inference_mode()
    def ask(self, scenes: Sequence[Scene]) -> dict[str, Answers]:
        """What the model says of one decoded batch, by reading."""
        sides = {settings.short_side for settings in self.readings.values()}
        images = {side: self._to_input(scenes, side) for side in sides}  # one tensor: models know it again
        return {
            name: self._answers(scenes, images[settings.short_side], name)
            for name, settings in self.readings.items()
        }

    @torch.inference_mode()
    def count(self, scenes: Sequence[Scene], answers: Mapping[str, Answers], boards: Boards) -> None:
        """Compare what the model said with the truth."""
        for name, said in answers.items():
            for index, scene in enumerate(scenes):
                if said.scores is not None:
                    self._count_pixels(boards[name], scene, said.scores[index], self.benchmarks[name])
                if scene.key in self.benchmark.held_out:
                    continue
                if said.pooled is not None:
                    labels = np.asarray(classes_in(scene.truth), np.int64)
                    boards[name].probe.update(said.pooled[index, : len(labels)], labels)
                if said.proposals is not None:
                    self._count_proposals(boards[name], scene, said.proposals[index])

    def _load_all(self, keys: Sequence[str]) -> list[Scene]:
        return [self._load(key) for key in keys]

    def _to_input(self, scenes: Sequence[Scene], side: int | None) -> Tensor:
        return inference.to_input([scene.image for scene in scenes], side, self.device)

    def _load(self, key: str) -> Scene:
        image = self.benchmark.image(key)
        return Scene(key, image, self.benchmark.truth(key, image.shape[:2]))

    def _answers(self, scenes: Sequence[Scene], images: Tensor, name: str) -> Answers:
        settings = self.readings[name]
        scores = pooled = proposals = None
        if self.by_name:
            given, probed = settings.use_proposals == "ground_truth", name == self.main
            if given or probed:
                truths = [scene.truth for scene in scenes]
                regions = inference.truth_regions(truths, images.shape[2:]).to(self.device)
            scores = self._scores(images, name, cast(Regions, regions if given else settings.use_proposals))
            if probed:  # further readings of the same weights would only repeat it
                of_regions = scores if given else self._scores(images, name, regions)
                asked = [index for index, names in enumerate(self.benchmarks[name].queries) if names]
                pooled = inference.region_scores(of_regions, regions, asked)
        proposes = settings.use_proposals == "predicted" and hasattr(self.method, "proposals")
        if proposes or not self.by_name:
            proposals = self.method.proposals(images)
        return Answers(scores, pooled, proposals)

    def _scores(self, images: Tensor, name: str, regions: Regions) -> Tensor:
        reading = self.readings[name]
        return inference.class_scores(
            self.method, images, self.queries[name], regions, reading.centring, reading.cluster_weight
        )

    def _count_pixels(self, board: Scoreboard, scene: Scene, scores: Tensor, benchmark: Benchmark) -> None:
        size = scene.truth.shape
        asked = [index for index, names in enumerate(benchmark.queries) if names]
        truth = restrict(scene.truth, benchmark.counted)
        guess = inference.class_map(scores, size, asked, self._remainder(benchmark))
        board.images += 1
        if scene.key in self.keep:
            board.maps[scene.key] = guess
        if scene.key in self.benchmark.held_out:
            board.per_image["miou_held_out"].update(scene.key, guess, truth)
            return
        board.miou.update(guess, truth)
        board.per_image["miou"].update(scene.key, guess, truth)
        present = [index for index in classes_in(truth) if benchmark.queries[index]]
        named = truth if len(asked) == len(benchmark.counted) else restrict(truth, asked)
        guess = inference.class_map(scores, size, present)
        board.per_image["grounding_miou"].update(scene.key, guess, named)
        if benchmark.background:
            objects = benchmark.foreground
            guess = inference.class_map(scores, size, objects)
            board.per_image["foreground_miou"].update(scene.key, guess, restrict(scene.truth, objects))

    def _remainder(self, benchmark: Benchmark) -> inference.Remainder | None:
        rule = benchmark.background
        if rule is None or rule.threshold is None:
            return None
        return inference.Remainder(rule.index, rule.threshold, self.temperature)

    def _count_proposals(self, board: Scoreboard, scene: Scene, probabilities: Tensor) -> None:
        background = self.benchmark.background
        ignored = [background.index] if background else []
        are_groups = getattr(self.method, "proposes_groups", False)
        some = probabilities[: board.recall.cap]
        masks = inference.proposal_masks(some, scene.truth.shape, are_groups)
        labels = segments_of(scene.truth, VOID, ignored)
        board.add_segments(scene.key, best_iou(masks, scene.truth, labels, VOID))


def variants(benchmark: Benchmark, readings: Mapping[str, EvalSettings]) -> dict[str, Benchmark]:
    """The benchmark under the background rule of every reading."""
    return {name: with_background(benchmark, settings.background) for name, settings in readings.items()}


def restrict(truth: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """A class map with every other class void."""
    wanted = np.zeros(VOID + 1, bool)
    wanted[[*classes, VOID]] = True
    kept = wanted[truth]
    return truth if kept.all() else np.where(kept, truth, VOID).astype(np.uint16)


def _size(benchmark: Benchmark, key: str) -> tuple[int, int]:
    path = benchmark.source.image_path(key)
    try:
        with files.open_read(path) as handle, Image.open(handle) as image:  # the header alone
            return image.height, image.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BenchmarkError(f"{path} cannot be read as an image: {error}") from error
