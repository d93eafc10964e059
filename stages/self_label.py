"""DVC stage `self_label`: a trained run and images in, a label and a confidence for every pixel out."""

import argparse
from pathlib import Path

from ovseg_core import files, params
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import CheckpointError
from pipelines.cluster import ClusterSettings
from pipelines.self_labelling import label
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("given", type=Path, help="data/runs/{run}-plus/label.json")
    parser.add_argument("model", help="folder models/{run}/{seed}")
    parser.add_argument("--benchmarks", default="data/benchmarks", help="folder of all benchmarks")
    parser.add_argument("--out", required=True, help="a data folder: labelled, corpus, features")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    ray = params.load("params.yaml", "cluster", ClusterSettings)
    with RunLog("self_label", args.log) as log:
        given = files.read_json(args.given)
        label(given, args.model, args.benchmarks, args.out, ray, log)


if __name__ == "__main__":
    run(main, BenchmarkError, CheckpointError)
