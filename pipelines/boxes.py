"""A trained model on a benchmark of boxes."""

from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from ovseg_core.benchmarks.boxes import BoxBenchmark
from ovseg_core.evaluation import box_evaluator
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method
from ovseg_core.params import ParamError
from ovseg_core.training.checkpoint import load_model, read_config
from pipelines.evaluation import describe


def evaluate(model: Path | str, benchmark: BoxBenchmark, settings: EvalSettings) -> dict[str, Any]:
    """Its numbers, with the keys of a metrics.json.

    Raises:
        ParamError: for several workers: a box's rank is among those of all images.
    """
    if settings.workers > 1:
        raise ParamError(
            f"--workers is {settings.workers}; {benchmark.name} has boxes, which one worker scores"
        )
    torch.set_num_threads(settings.threads)
    method = load_model(model).to("cuda" if settings.num_gpus else "cpu")
    main = str(read_config(model)["run"])
    with tqdm(total=len(benchmark.ids), desc="evaluate", unit="image") as bar:
        numbers = box_evaluator.evaluate(cast(Method, method), benchmark, settings, bar.update)
    return {
        "protocol": box_evaluator.protocol(benchmark, settings),
        "fingerprint": benchmark.fingerprint(),
        "model": describe(model, main),
        "readings": {main: numbers},
    }
