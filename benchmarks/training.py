"""Training: what loop and data cost against a bare loop; two workers against one with two threads.

Usage: `python -m benchmarks.training [--method openseg] [--steps 40] [--threads 2] [--workers]`. Prints
ratios of one run on one machine; absolute times do not travel. `--workers` compares numbers of Ray Train
workers instead.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from benchmarks.toy_corpus import make_corpus
from ovseg_core import params
from ovseg_core.methods.registry import build
from ovseg_core.records import Batch
from ovseg_core.run_log import RunLog
from ovseg_core.training.corpus import DataFolders, read_words
from ovseg_core.training.identity import Job
from ovseg_core.training.job import make_loader, prepare_device
from ovseg_core.training.loader import Loaded, Loader
from ovseg_core.training.loop import Trainer, Worker, on_device, resolve_precision
from ovseg_core.training.settings import DataSettings, TrainSettings
from pipelines import settings as sections
from pipelines.cluster import ClusterSettings
from pipelines.training import train

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 4  # the contestants take turns, so that a slow minute of the machine hits all of them


class Fixed:
    """The same batch again and again."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def batches(self, first: int, last: int) -> Generator[Loaded, None, None]:
        return (Loaded(self.batch, Counter()) for _ in range(first, last))


def bare_loop(
    model: nn.Module, optimiser: torch.optim.Optimizer, batch: Batch, steps: int, half: bool
) -> float:
    """Seconds of the loop that anybody would write first."""
    started = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses = model(batch)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return time.perf_counter() - started


def our_loop(trainer: Trainer, data: Fixed | Loader, steps: int) -> tuple[float, float]:
    """Seconds of `steps` further steps, and of waiting for data in them."""
    waited, target = trainer.speed.waiting, trainer.step + steps
    trainer.settings = replace(trainer.settings, steps=target)  # train on to there, at whatever rate
    started = time.perf_counter()
    trainer.run(data, lambda *_: None)
    return time.perf_counter() - started, trainer.speed.waiting - waited


def compare_loops(root: Path, run: dict, steps: int, threads: int) -> None:
    """Print the loop's speed on a fixed batch and on real shards, each as a share of the bare loop's."""
    prepare_device("cpu", threads)
    settings = params.build({**run["train"], "threads": threads}, "train", TrainSettings)
    data = params.build(run["data"], "data", DataSettings)
    words = read_words(DataFolders(str(root)), data)
    half = resolve_precision(settings.precision, "cpu") == "bf16"

    def fresh() -> nn.Module:
        torch.manual_seed(0)
        return build(run["method"], run["settings"], run["model"], words)

    loader = make_loader(Job(run, 0, str(root), "", ""), fresh(), settings, data, Worker())
    fixed = on_device(next(loader.batches(0, 1)).batch, "cpu")
    plain = fresh().to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-4, fused=True)
    on_fixed, on_data = (Trainer(fresh(), settings, 0, Worker()) for _ in range(2))
    bare_loop(plain, optimiser, fixed, 3, half)
    our_loop(on_fixed, Fixed(fixed), 3)
    our_loop(on_data, loader, 3)
    times = dict.fromkeys(("bare", "fixed", "data", "waited"), 0.0)
    for _ in range(ROUNDS):
        times["bare"] += bare_loop(plain, optimiser, fixed, steps, half)
        times["fixed"] += our_loop(on_fixed, Fixed(fixed), steps)[0]
        seconds, waited = our_loop(on_data, loader, steps)
        times["data"] += seconds
        times["waited"] += waited
    loader.close()
    count = ROUNDS * steps
    print(f"{run['method']}, batch {settings.batch_size}, {threads} threads, {'bf16' if half else 'float32'}")
    print(f"bare loop on a fixed batch: {times['bare'] / count * 1e3:.0f} ms a step")
    print(f"loop on the fixed batch / bare loop: {times['bare'] / times['fixed']:.3f} of its speed")
    print(f"loop on shards / bare loop:          {times['bare'] / times['data']:.3f} of its speed")
    print(f"waiting for data: {times['waited'] / times['data']:.2%} of the time")


def compare_workers(root: Path, run: dict, steps: int) -> None:
    """Print the speed of two Ray Train workers with a thread each over that of one with two threads."""
    speeds = {}
    for workers, threads in ((1, 2), (2, 1)):
        changed = {**run, "train": {**run["train"], "workers": workers, "threads": threads, "steps": steps}}
        changed["train"]["storage"] = str(root / "work")
        with RunLog("train", None) as log:
            train(
                changed,
                0,
                root,
                root / f"model{workers}",
                ClusterSettings(num_cpus=2, workers=2, trainings=1),
                log,
            )
        speeds[workers] = log.facts["images_per_second"]
        made = f"{speeds[workers]} images/s, start-up {log.startup_s:.1f} s"
        print(f"{workers} worker(s), {threads} thread(s) each: {made}")
    print(f"two workers with one thread / one worker with two: {speeds[2] / speeds[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40, help="of each turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", default="openseg")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--workers", action="store_true", help="compare numbers of workers instead")
    args = parser.parse_args()

    values = params.read(ROOT / "params.yaml")
    values["runs"] = {"benchmark": {"method": args.method}}
    run = sections.resolve(values)["benchmark"].train
    with tempfile.TemporaryDirectory() as folder:
        root = make_corpus(Path(folder), captioned=args.scenes * 85 // 100, labelled=args.scenes * 15 // 100)
        if args.workers:
            compare_workers(root, run, args.steps)
        else:
            compare_loops(root, run, args.steps, args.threads)


if __name__ == "__main__":
    main()
