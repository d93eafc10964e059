"""Labelling: what an actor costs against a bare loop over images in memory, and two actors against one.

Usage: `python -m benchmarks.labelling [--shards 12] [--shard-size 500] [--teacher models/teacher]`. One torch
thread each. The bare loop starts from decoded images and ends with encoded masks; the actor reads, decodes
and writes as well. Prints ratios of one run on one machine; absolute times do not travel.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.toy_corpus import make_corpus
from ovseg_core import params, shards
from ovseg_core.methods.registry import build
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.registry import Teacher, load
from ovseg_core.training.checkpoint import save_model
from ovseg_core.training.loop import resolve_precision
from pipelines import settings as sections
from pipelines.cluster import ClusterSettings, connect
from pipelines.labeller import LabelSettings
from pipelines.labelling import label

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = ClusterSettings(num_cpus=2, workers=2, trainings=1)
ROUNDS = 4  # the contestants take turns, so that a slow minute of the machine hits all of them


def save_teacher(folder: Path, run: dict) -> None:
    """An untrained teacher. Its ragged masks take longer to encode than a trained one's, in both loops."""
    torch.manual_seed(0)
    config = {name: run[name] for name in ("method", "settings", "model")} | {"words": []}
    save_model(str(folder), build(run["method"], run["settings"], run["model"], []).state_dict(), config)


def bare_loop(model: Teacher, images: list[np.ndarray], settings: LabelSettings) -> float:
    """Seconds of the teacher alone, called with images in memory."""
    half = resolve_precision(settings.precision, "cpu") == "bf16"
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        for first in range(0, len(images), settings.batch_size):
            model(images[first : first + settings.batch_size])
    return time.perf_counter() - started


def stage(root: Path, teacher: dict, settings: LabelSettings) -> tuple[float, int]:
    """Seconds and images of the stage once every actor has finished a shard: start-up stays out."""
    out = Path(tempfile.mkdtemp(dir=root))
    with RunLog("pseudo_label", None) as log:
        label(teacher, root / "teacher", root / "shards", root / "features", out, settings, CLUSTER, log)
    ends = sorted((path.stat().st_mtime, path) for path in out.glob("*.parquet"))
    images = sum(len(shards.read_table(path, ["key"])) for _, path in ends[settings.actors :])
    return ends[-1][0] - ends[settings.actors - 1][0], images


def compare(root: Path, teacher: dict, given: dict) -> dict[str, float]:
    """Images per second of the bare loop, of one actor and of two."""
    settings = {n: params.build({**given, "actors": n}, "pseudo_label", LabelSettings) for n in (1, 2)}
    model = load(teacher, root / "teacher")
    images = [s.image for s in map(shards.decode_sample, shards.read_tar(root / "shards" / "00000.tar"))]
    bare_loop(model, images, settings[1])
    seconds, count = dict.fromkeys(("bare", "one", "two"), 0.0), dict.fromkeys(("bare", "one", "two"), 0)
    for _ in range(ROUNDS):
        for _ in range(4):
            seconds["bare"] += bare_loop(model, images, settings[1])
            count["bare"] += len(images)
        for actors, name in ((1, "one"), (2, "two")):
            took, number = stage(root, teacher, settings[actors])
            seconds[name] += took
            count[name] += number
    return {name: count[name] / seconds[name] for name in count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--shard-size", type=int, default=500)
    parser.add_argument("--side", type=int, default=64, help="of the images, pixels")
    parser.add_argument("--teacher", type=Path, help="a trained one's model folder; else it is untrained")
    args = parser.parse_args()

    torch.set_num_threads(1)
    values = params.read(ROOT / "params.yaml")
    run = sections.resolve(values)["teacher"].train
    teacher = values["teachers"][run["data"]["pseudo"] or "masks"]
    given = {**values["pseudo_label"], "num_cpus": 1, "num_gpus": 0}
    with tempfile.TemporaryDirectory() as folder:
        root = make_corpus(Path(folder), args.shards * args.shard_size, 0, args.shard_size, args.side)
        if args.teacher:
            shutil.copytree(args.teacher, root / "teacher")
        else:
            save_teacher(root / "teacher", run)
        with connect(CLUSTER):
            speed = compare(root, teacher, given)
    print(", ".join(f"{name}: {value:.0f} images/s" for name, value in speed.items()))
    print(f"one actor / bare loop: {speed['one'] / speed['bare']:.3f}")
    print(f"two actors / one actor: {speed['two'] / speed['one']:.2f}")


if __name__ == "__main__":
    main()
