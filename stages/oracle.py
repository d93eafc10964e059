"""DVC stage `oracle`: a labelling teacher and the benchmarks in, what its masks could reach at best out."""

import argparse
from pathlib import Path

import torch

from ovseg_core import params
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.benchmarks.folder import read
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.registry import load
from ovseg_core.teachers.settings import named
from ovseg_core.training.checkpoint import CheckpointError
from ovseg_core.training.settings import DataSettings
from pipelines import oracle
from pipelines.labeller import LabelSettings
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", help="a name of the section `teachers`")
    parser.add_argument("--model", default="models/teacher", help="model folder of the run `teacher`")
    parser.add_argument("--features", default="data/features", help="components of a frozen backbone")
    parser.add_argument("--benchmarks", default="data/benchmarks", help="folder of all benchmarks")
    parser.add_argument("--out", type=Path, required=True, help="JSON of numbers per benchmark")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    values = params.read("params.yaml")
    given, image = values["teachers"][args.teacher], values["model"]["image"]
    settings = params.load("params.yaml", "pseudo_label", LabelSettings)
    data = params.load("params.yaml", "data", DataSettings)
    with RunLog("oracle", args.log) as log:
        torch.set_num_threads(max(1, int(settings.num_cpus)))
        device = "cuda" if settings.num_gpus else "cpu"
        log.unit, found = "images", {}
        with named(args.teacher):
            teacher = load(given, args.model, device, image, args.features)
            log.work_starts()
            for name in values["benchmarks"]:
                benchmark = read(f"{args.benchmarks}/{name}")
                found[name] = oracle.score(teacher, benchmark, data, settings.batch_size)
                log.items += len(set(benchmark.ids) - benchmark.held_out)
        oracle.write(args.out, found, given)


if __name__ == "__main__":
    run(main, BenchmarkError, CheckpointError)
