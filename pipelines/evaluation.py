"""All readings of one trained model on one benchmark: in this process, or spread over Ray actors."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.benchmarks.folder import read
from ovseg_core.evaluation import results
from ovseg_core.evaluation.evaluator import Boards, Evaluator, gallery_ids, plan
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method
from ovseg_core.models.settings import SMALL
from ovseg_core.models.tokenizer import WordTokenizer
from ovseg_core.params import ParamError, build, check
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import load_model, read_config
from pipelines import cluster, shard_map

logger = logging.getLogger(__name__)
SHOWN = 8  # names in a warning
PARTS = 4  # of each worker: boards of large vocabularies are large, and the last part is waited for
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")  # a reading names files
TAKEN = {"image", "truth"}  # by the gallery


@dataclass(frozen=True)
class Job:
    """Which model is read how, on what. What moves no number comes from the run's own reading."""

    model: str
    benchmark: Benchmark
    readings: Mapping[str, EvalSettings]
    main: str  # the run's own reading

    @property
    def own(self) -> EvalSettings:
        """The run's own reading."""
        return self.readings[self.main]


class Worker:
    """A model and a benchmark, in this process or in an actor; a shard is a part of the batches."""

    def __init__(self, job: Job, parts: Sequence[Sequence[Sequence[str]]], keep: Sequence[str]) -> None:
        torch.set_num_threads(job.own.threads)
        method = load_model(job.model).to("cuda" if job.own.num_gpus else "cpu")
        self.evaluate = Evaluator(cast(Method, method), job.benchmark, job.readings, job.main, keep)
        self.parts = parts

    def __call__(self, shard: str) -> Boards:
        """The counts of one part."""
        return self.evaluate.over(self.parts[int(shard)])


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
    job = Job(str(model), read(benchmark_folder), readings, main)
    content = run(job, out, log, ray)
    log.items, log.unit = len(job.benchmark.ids), "images"
    log.facts["readings"] = list(readings)
    return content


def run(job: Job, out: Path | str | None, log: RunLog, ray: cluster.ClusterSettings) -> dict[str, Any]:
    """Score a model; its metrics.json. With `out` the gallery and the rest are written beside it."""
    keep = gallery_ids(job.benchmark, job.own.gallery if out else 0, job.own.seed)
    batches = plan(job.benchmark, job.own)
    if job.own.workers > 1:
        boards = _merged(_spread(job, batches, keep, log, ray))
    else:
        boards = _here(job, batches, keep, log)
    names = [name for synonyms in job.benchmark.queries for name in synonyms]
    about = describe(job.model, job.main) | {"unread_names": unread(job.model, names)}
    content = results.metrics(job.benchmark, job.readings, boards, about)
    if out:
        results.write(out, job.benchmark, boards, keep, content)
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


def unread(model: Path | str, names: Sequence[str]) -> list[str]:
    """Those of `names` of which no word is in the captions that a text tower learnt its words from."""
    config = read_config(model)
    if config["model"]["text"]["tower"] != SMALL or not config["words"]:
        return []
    tokens = WordTokenizer(config["words"])
    found = [name for name in names if not tokens.reads(name)]
    if found:
        some = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        logger.warning("%d of %d names are in none of the captions: %s", len(found), len(names), some)
    return found


def _here(job: Job, batches: Sequence[Sequence[str]], keep: Sequence[str], log: RunLog) -> Boards:
    # No Ray for one worker: starting it takes longer than scoring a few hundred small images.
    worker = Worker(job, [batches], keep)
    log.work_starts()
    with tqdm(total=sum(map(len, batches)), desc="evaluate", unit="image") as bar:
        return worker.evaluate.over(batches, bar.update)


def _spread(
    job: Job, batches: Sequence[Sequence[str]], keep: Sequence[str], log: RunLog, ray: cluster.ClusterSettings
) -> list[Boards]:
    own = job.own
    count = min(len(batches), PARTS * own.workers)
    parts = [batches[len(batches) * i // count : len(batches) * (i + 1) // count] for i in range(count)]
    resources = shard_map.ActorResources(actors=own.workers, num_cpus=own.threads, num_gpus=own.num_gpus)
    with cluster.connect(ray):
        log.work_starts()
        numbers = [str(number) for number in range(count)]
        return shard_map.map_shards(partial(Worker, job, parts, keep), numbers, resources, "evaluate")


def _merged(parts: Iterable[Boards]) -> Boards:
    total: Boards = {}
    for part in parts:
        for name, board in part.items():
            if name in total:
                total[name].merge(board)
            else:
                total[name] = board
    return total
