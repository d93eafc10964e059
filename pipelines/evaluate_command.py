"""`ovseg evaluate`: a trained model on a benchmark as it is published, by the code of the stage."""

import logging
from pathlib import Path
from typing import Any, get_args

from ovseg_core.benchmarks.boxes import BoxBenchmark
from ovseg_core.benchmarks.load import load
from ovseg_core.evaluation.settings import EvalSettings, Proposals
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.text.prompts import PROMPTS
from ovseg_core.training.checkpoint import read_config
from pipelines import boxes
from pipelines.cluster import ClusterSettings
from pipelines.evaluation import Job, run

logger = logging.getLogger(__name__)
NUMBERED = {"1": "single", "7": "ensemble_7", "80": "ensemble_80"}  # templates


def evaluate(
    model: Path,
    benchmark: str,
    data: Path,
    *,
    names: str | None = None,
    out: Path | None = None,
    **reading: Any,
) -> dict[str, Any]:
    """Score a model and print its numbers with their protocol.

    Args:
        model: folder `models/{run}/{seed}`.
        benchmark, data, names: see `benchmarks.load.load`.
        out: folder of metrics.json, per_class.csv and the gallery; None prints only.
        reading: what differs from the defaults of `settings_of`.

    Raises:
        BenchmarkError: naming what is missing of the benchmark; ParamError: for a wrong setting.
    """
    config = read_config(model)
    settings = settings_of(**reading)
    found = load(benchmark, data, names)
    ray = ClusterSettings(num_cpus=None, workers=settings.workers, trainings=1)
    with RunLog("evaluate", None) as log:
        if isinstance(found, BoxBenchmark):
            content = boxes.evaluate(model, found, settings)
        else:
            main = str(config["run"])
            content = run(Job(str(model), found, {main: settings}, main), out, log, ray)
            log.items, log.unit = len(found.ids), "images"
    print("\n".join(table(content)))
    return content


def settings_of(
    *,
    prompts: str = "single",
    background: str = "benchmark",
    use_proposals: str = "predicted",
    short_side: int | None = None,
    cluster_weight: float = 0.0,
    centring: float = 0.0,
    max_proposals: int = 128,
    batch_size: int = 8,
    threads: int = 2,
    workers: int = 1,
    num_gpus: float = 0.0,
) -> EvalSettings:
    """A reading from the command line; `prompts` may be the number of templates."""
    chosen = NUMBERED.get(prompts, prompts)
    if chosen not in PROMPTS:
        raise ParamError(f"--prompts is {prompts!r}; accepted: {', '.join([*NUMBERED, *PROMPTS])}")
    if use_proposals not in get_args(Proposals):
        raise ParamError(f"--regions is {use_proposals!r}; accepted: {', '.join(get_args(Proposals))}")
    return EvalSettings(
        use_proposals=use_proposals,  # type: ignore[arg-type]
        prompts=chosen,
        short_side=short_side,
        cluster_weight=cluster_weight,
        centring=centring,
        background=background,
        max_proposals=max_proposals,
        batch_size=batch_size,
        threads=threads,
        workers=workers,
        num_gpus=num_gpus,
        gallery=8,
        seed=0,
    )


def table(content: dict[str, Any]) -> list[str]:
    """The numbers of a metrics.json, a line each, and below them what they depend on."""
    lines = []
    for name, numbers in content["readings"].items():
        width = max(map(len, numbers), default=0)
        lines += [name, *(f"  {key:<{width}}  {value:7.2f}" for key, value in sorted(numbers.items()))]
    protocol = dict(content["protocol"])
    for name, how in protocol.pop("readings", {}).items():
        protocol |= {f"{name}, {key}": value for key, value in how.items()}
    return [*lines, "protocol", *(f"  {key}: {value}" for key, value in protocol.items())]
