"""DVC stage `train`: one resolved run and a seed in, a model folder out."""

import argparse
import sys
from pathlib import Path

from ovseg_core import files, params
from ovseg_core.run_log import RunLog
from pipelines.cluster import ClusterSettings
from pipelines.training import TrainingFailed, train


def main(stage: str = "train") -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="data/runs/{run}/train.json")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--data", default="data", help="folder of corpus, shards, labelled, pseudo and features"
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    run = files.read_json(args.run)
    cluster = params.load("params.yaml", "cluster", ClusterSettings)
    with RunLog(stage, args.log) as log:
        if run["method"] is None:  # `teach`, and no teacher of params.yaml reads a trained model
            args.out.mkdir(parents=True, exist_ok=True)
            return
        try:
            train(run, args.seed, args.data, args.out, cluster, log)
        except (TrainingFailed, params.ParamError) as error:
            sys.exit(f"{stage}: {error}")


if __name__ == "__main__":
    main()
