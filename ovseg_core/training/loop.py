"""The training loop of one worker. It knows a method by `losses` alone, and a step's data by its number.

Nothing in a step depends on what ran before it but the state that `Trainer.save` writes: data, word dropout
and torch's random numbers are functions of (seed, step, rank). So a run that was killed and went on from a
state ends in the same weights, bit for bit, as one that was left alone.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ovseg_core.records import Batch
from ovseg_core.training import checkpoint
from ovseg_core.training.curves import Curves
from ovseg_core.training.loader import Loaded
from ovseg_core.training.optimiser import (
    Averaged,
    build_optimiser,
    learning_rate,
    optimiser_tensors,
    restore_optimiser,
    set_learning_rate,
)
from ovseg_core.training.plan import seed_of
from ovseg_core.training.settings import TrainSettings


class Batches(Protocol):
    """Where a trainer's data come from; `loader.Loader` is the one that reads shards."""

    def batches(self, first: int, last: int) -> Generator[Loaded, None, None]:
        """The parts `first` to `last - 1`; part p of a step s is number s * accumulate + p."""


class NonFiniteLoss(Exception):
    """A loss or gradient is not a number; the weights are as they were before the step."""


@dataclass(frozen=True)
class Worker:
    """Which of the workers this is, and what it computes on."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"


@dataclass
class Speed:
    """Wall times of this process; they go to the log and never into a model folder."""

    seconds: float = 0.0
    waiting: float = 0.0  # for data
    images: int = 0  # of this worker
    steps: int = 0


def resolve_precision(precision: str, device: str) -> str:
    """`auto` is bf16 where the device computes it fast (some GPUs, AVX512-BF16, AMX), else float32."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "float32"


class Trainer:
    """Model, optimiser, average and curves of one worker, and the step that moves them on."""

    def __init__(self, model: nn.Module, settings: TrainSettings, seed: int, worker: Worker) -> None:
        self.settings, self.seed, self.worker = settings, seed, worker
        self.model = model.to(worker.device).to(memory_format=torch.channels_last).train()
        self.optimiser = build_optimiser(self.model, settings)
        self.average = Averaged(self.model, settings.ema) if settings.ema else None
        self.curves = Curves(settings.log_every)
        self.drops: Counter[str] = Counter()
        self.step = 0
        self.speed = Speed()
        self.precision = resolve_precision(settings.precision, worker.device)
        self.network = self.model
        if worker.world > 1:  # a method may leave a part unused in a step (no masks in the batch)
            self.network = DistributedDataParallel(self.model, find_unused_parameters=True)

    def run(self, data: Batches, after_step: Callable[["Trainer", bool], None]) -> None:
        """Train from `self.step` to the end; `after_step(trainer, a point was logged)` follows every step.

        Raises:
            NonFiniteLoss: before the update, with the keys of the batch.
        """
        accumulate = self.settings.accumulate
        started = time.perf_counter()
        with closing(data.batches(self.step * accumulate, self.settings.steps * accumulate)) as source:
            while self.step < self.settings.steps:
                asked = time.perf_counter()
                loaded = [next(source) for _ in range(accumulate)]
                self.speed.waiting += time.perf_counter() - asked
                losses = self.update(loaded)
                logged = self.curves.add(self.step, losses)
                self.step += 1
                self.speed.seconds = time.perf_counter() - started
                after_step(self, logged)
        self.curves.end_point(self.step)

    def update(self, loaded: list[Loaded]) -> dict[str, float]:
        """One step over the parts of its batch; returns the mean losses over the parts."""
        torch.manual_seed(seed_of(self.seed, self.step, self.worker.rank))  # dropout and the like
        self.optimiser.zero_grad(set_to_none=True)
        values = []
        for part in loaded:
            with self._in_step(is_last=part is loaded[-1]):
                values.append(self._backward(part))
        norm = self._clip()
        if not math.isfinite(norm):
            self._refuse(loaded, values, norm)
        set_learning_rate(self.optimiser, learning_rate(self.step, self.settings))
        self.optimiser.step()
        if self.average:
            self.average.update(self.model, self.step)
        self.drops.update(sum((part.drops for part in loaded), Counter()))
        self.speed.images += sum(len(part.batch) for part in loaded)
        self.speed.steps += 1
        return _means(values)

    def _in_step(self, is_last: bool) -> AbstractContextManager[None]:
        """Gradients of the parts before the last stay on this worker."""
        if isinstance(self.network, DistributedDataParallel) and not is_last:
            return self.network.no_sync()
        return nullcontext()

    def _backward(self, part: Loaded) -> dict[str, float]:
        batch = on_device(part.batch, self.worker.device)
        batch.step, batch.steps = self.step, self.settings.steps
        device = self.worker.device.partition(":")[0]
        with torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16"):
            losses = self.network(batch)  # a method's forward is its `losses`
        total = torch.stack([value.float() for value in losses.values()])
        (total.sum() / self.settings.accumulate).backward()
        noted = getattr(self.model, "noted", {})  # further numbers of this pass that a curve shows
        return {**dict(zip(losses, total.detach().tolist(), strict=True)), **noted}

    def _clip(self) -> float:
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        limit = self.settings.clip_norm or math.inf
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))

    def _refuse(self, loaded: list[Loaded], values: list[dict[str, float]], norm: float) -> None:
        """Raise on every worker at once: gradients are averaged, so each one sees that a number is broken."""
        bad = [
            f"losses {losses} on the samples {part.batch.keys}"
            for part, losses in zip(loaded, values, strict=True)
            if not all(map(math.isfinite, losses.values()))
        ]
        finite = [
            f"the gradient's norm is {norm}, losses are finite, samples {[p.batch.keys for p in loaded]}"
        ]
        found: list[Any] = [bad or finite]
        if self.worker.world > 1:
            everyone: list[Any] = [None] * self.worker.world
            dist.all_gather_object(everyone, bad)
            found = [some for some in everyone if some] or [finite]
        raise NonFiniteLoss(
            f"step {self.step}: {'; '.join(text for some in found for text in some)}. "
            "The weights were not updated. Lower train.lr, or look at these samples"
        )

    def weights(self) -> dict[str, Tensor]:
        """What becomes the model: the average where there is one, else the weights."""
        return self.average.tensors if self.average else self.model.state_dict()

    def all_drops(self) -> Counter[str]:
        """Samples of all workers that could not be used, by reason. Every worker has to call it."""
        if self.worker.world == 1:
            return self.drops
        everyone: list[Any] = [None] * self.worker.world
        dist.all_gather_object(everyone, self.drops)
        return sum(everyone, Counter())

    def save(self, path: str) -> None:
        """Write the whole training state. The schedule and all random numbers follow from the step.

        Every worker has to call it; the first one writes.
        """
        drops = self.all_drops()
        if self.worker.rank:
            return
        tensors = {
            "model": self.model.state_dict(),
            "optimiser": optimiser_tensors(self.optimiser, self.model),
        }
        if self.average:
            tensors["average"] = self.average.tensors
        note = {"step": self.step, "curves": self.curves.state, "drops": dict(drops)}
        checkpoint.save_state(path, tensors, note)

    def resume(self, path: str) -> bool:
        """Go on from a state file; False where there is none."""
        found = checkpoint.load_state(path)
        if found is None:
            return False
        tensors, note = found
        self.model.load_state_dict(tensors["model"])
        restore_optimiser(self.optimiser, self.model, tensors.get("optimiser", {}))
        if self.average:
            self.average.tensors = {k: v.to(self.worker.device) for k, v in tensors["average"].items()}
        self.step = note["step"]
        self.drops = Counter(note["drops"]) if self.worker.rank == 0 else Counter()
        self.curves = Curves(self.settings.log_every, note["curves"])
        return True


def on_device(batch: Batch, device: str) -> Batch:
    """The batch on `device`, with bytes made into floats in [0, 1] there: a quarter of the transfer."""
    batch = batch.to(device)
    if batch.images.dtype == torch.uint8:
        batch.images = batch.images * (1 / 255)  # one pass: it promotes to float32
    return batch


def _means(values: list[dict[str, float]]) -> dict[str, float]:
    names = {name: None for part in values for name in part}
    return {name: sum(part.get(name, 0.0) for part in values) / len(values) for name in names}
