"""DVC stage `evaluate`: a trained model, its readings and one benchmark in; its numbers and a gallery out."""

import argparse
from pathlib import Path

from ovseg_core import params
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import CheckpointError
from pipelines.cluster import ClusterSettings
from pipelines.evaluation import evaluate
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder models/{run}/{seed}")
    parser.add_argument("readings", help="data/runs/{run}/evaluate.json")
    parser.add_argument("--benchmark", required=True, help="its name")
    parser.add_argument("--benchmarks", default="data/benchmarks", help="folder of all benchmarks")
    parser.add_argument("--out", type=Path, required=True, help="folder of metrics.json and the rest")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    ray = params.load("params.yaml", "cluster", ClusterSettings)
    with RunLog("evaluate", args.log) as log:
        evaluate(args.model, args.readings, f"{args.benchmarks}/{args.benchmark}", args.out, log, ray)


if __name__ == "__main__":
    run(main, BenchmarkError, CheckpointError)
