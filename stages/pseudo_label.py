"""DVC stage `pseudo_label`: a trained teacher and the captioned shards in, masks with scores out."""

import argparse
from pathlib import Path

from ovseg_core import params
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.settings import named
from pipelines.cluster import ClusterSettings
from pipelines.labeller import LabelSettings
from pipelines.labelling import label
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", help="a name of the section `teachers`")
    parser.add_argument("shards", help="folder of the shards to label")
    parser.add_argument("--model", default="models/teacher", help="the teacher's model folder")
    parser.add_argument("--features", default="data/features", help="cached maps of a frozen backbone")
    parser.add_argument("--out", required=True, help="folder of one parquet per shard")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    values = params.read("params.yaml")
    teacher, image = values["teachers"][args.teacher], values["model"]["image"]
    settings = params.load("params.yaml", "pseudo_label", LabelSettings)
    ray = params.load("params.yaml", "cluster", ClusterSettings)
    with RunLog("pseudo_label", args.log) as log, named(args.teacher):
        label(teacher, args.model, args.shards, args.features, args.out, settings, ray, log, image)


if __name__ == "__main__":
    run(main)
