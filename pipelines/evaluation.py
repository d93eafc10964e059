"""All readings of one trained model on one benchmark: in this process, or spread over Ray actors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.benchmarks.folder import read
from ovseg_core.evaluation import results
from ovseg_core.evaluation.evaluator import Evaluator, gallery_ids, plan
from ovseg_core.evaluation.scoreboard import Scoreboard
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method
from ovseg_core.params import ParamError, build, check
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import load_model, read_config
from pipelines import cluster, shard_map

Boards = dict[str, Scoreboard]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")  # a reading names files
TAKEN = {"image", "truth"}  # by the gallery


class Worker:
    """A model and a benchmark, in this process or in an actor. A shard is one batch, named by its number."""

    def __init__(
        self,
        model: str,
        benchmark: Benchmark,
        readings: Mapping[str, EvalSettings],
        main: str,
        batches: Sequence[Sequence[str]],
        keep: Sequence[str],
    ) -> None:
        torch.set_num_threads(readings[main].threads)
        method = load_model(model).to("cuda" if readings[main].num_gpus else "cpu")
        self.evaluate = Evaluator(cast(Method, method), benchmark, readings, main, keep)
        self.batches = batches

    def __call__(self, shard: str) -> Boards:
        """The counts of one batch."""
        return self.evaluate(self.batches[int(shard)])


def evaluate(
    model: Path | str,
    reading_file: Path | str,
    benchmark_folder: Path | str,
    out: Path | str,
    log: RunLog,
    ray: cluster.ClusterSettings,
) -> dict[str, Any]:
    """Score `models/{run}/{seed}` as its evaluate.json says and write its numbers and gallery.

    Raises:
        BenchmarkError: naming the file of the benchmark that is wrong.
        CheckpointError: when the model folder holds another method or vocabulary than it says.
    """
    main, readings = load_readings(reading_file)
    own = readings[main]
    benchmark = read(benchmark_folder)
    keep = gallery_ids(benchmark, own.gallery, own.seed)
    batches = plan(benchmark, own.batch_size)
    make_worker = partial(Worker, str(model), benchmark, readings, main, batches, keep)
    parts: Iterable[Boards]
    if own.workers > 1:
        parts = _spread(make_worker, len(batches), own, log, ray)
    else:
        parts = _here(make_worker, batches, log)
    boards = _merged(parts)
    content = results.metrics(benchmark, readings, boards, describe(model, main))
    results.write(out, benchmark, boards, keep, content)
    log.items, log.unit = len(benchmark.ids), "images"
    log.facts["readings"] = list(readings)
    return content


def load_readings(path: Path | str) -> tuple[str, dict[str, EvalSettings]]:
    """`data/runs/{run}/evaluate.json` -> the run's own reading and all readings, its own first."""
    given = files.read_json(path)
    main = given["run"]
    if main not in given["readings"]:
        raise ParamError(
            f"{path}: readings has {sorted(given['readings'])}; it has to have the run itself, {main!r}"
        )
    names = [main, *(name for name in given["readings"] if name != main)]
    for name in names:
        known = bool(NAME.fullmatch(name)) and name not in TAKEN
        check(
            known, f"runs.{main}.readings", name, "names of letters, digits and _ . + -, not image or truth"
        )
    return main, {name: build(given["readings"][name], "evaluate", EvalSettings) for name in names}


def describe(model: Path | str, run: str) -> dict[str, Any]:
    """Which weights were read."""
    config = read_config(model)
    return {
        "run": run,
        "method": config["method"],
        "seed": config.get("seed"),
        "fingerprint": files.digest(files.join(model, "model.safetensors")),
        "corpus": config.get("corpus"),  # fingerprint of what it was trained on
    }


def _here(
    make_worker: Callable[[], Worker], batches: Sequence[Sequence[str]], log: RunLog
) -> Iterator[Boards]:
    # No Ray for one worker: starting it takes longer than scoring a few hundred small images.
    worker = make_worker()
    log.work_starts()
    with tqdm(total=sum(map(len, batches)), desc="evaluate", unit="image") as bar:
        for number, batch in enumerate(batches):
            yield worker(str(number))
            bar.update(len(batch))


def _spread(
    make_worker: Callable[[], Worker],
    num_batches: int,
    own: EvalSettings,
    log: RunLog,
    ray: cluster.ClusterSettings,
) -> list[Boards]:
    resources = shard_map.ActorResources(actors=own.workers, num_cpus=own.threads, num_gpus=own.num_gpus)
    with cluster.connect(ray):
        log.work_starts()
        numbers = [str(number) for number in range(num_batches)]
        return shard_map.map_shards(make_worker, numbers, resources, "evaluate")


def _merged(parts: Iterable[Boards]) -> Boards:
    total: Boards = {}
    for part in parts:
        for name, board in part.items():
            if name in total:
                total[name].merge(board)
            else:
                total[name] = board
    return total
