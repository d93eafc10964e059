"""Labelling: what an actor costs against a bare loop over images in memory, and two actors against one.

Usage: `python -m benchmarks.labelling [--side 64 --shard-size 1000] [--teacher models/teacher]`. One torch
thread each. The bare loop starts from decoded images and ends with encoded masks; the actor reads, decodes
and writes as well. Prints ratios of one run on one machine; absolute times do not travel. By default the
images have a photo's size, and it takes six minutes. The toy web's are 64 pixels wide: its teacher is done
with one in a millisecond, and what goes on around it weighs most.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.toy_corpus import make_corpus
from ovseg_core import params, shards
from ovseg_core.methods.registry import build
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.registry import load
from ovseg_core.training.checkpoint import save_model
from pipelines import settings as sections
from pipelines.actor_device import prepare
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


class BareLoop:
    """The teacher alone, called with images in memory; in a Ray actor, whose malloc is set."""

    def __init__(self, teacher: dict, root: Path, settings: LabelSettings) -> None:
        self.settings = settings
        self.device, self.half = prepare(settings)
        self.model = load(teacher, root / "teacher")
        raws = shards.read_tar(root / "shards" / "00000.tar")
        self.images = [shards.decode_sample(raw).image for raw in raws]

    def seconds(self, rounds: int) -> tuple[float, int]:
        """Seconds and images of some rounds over one shard."""
        size = self.settings.batch_size
        started = time.perf_counter()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            for _ in range(rounds):
                for first in range(0, len(self.images), size):
                    self.model(self.images[first : first + size])
        return time.perf_counter() - started, rounds * len(self.images)


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
    import ray

    settings = {n: params.build({**given, "actors": n}, "pseudo_label", LabelSettings) for n in (1, 2)}
    actor: Any = ray.remote(num_cpus=0)(BareLoop)
    bare = actor.remote(teacher, root, settings[1])
    ray.get(bare.seconds.remote(1))
    took: dict[str, list[tuple[float, int]]] = {"bare": [], "one": [], "two": []}
    for _ in range(ROUNDS):
        took["bare"].append(ray.get(bare.seconds.remote(2)))
        for actors, name in ((1, "one"), (2, "two")):
            took[name].append(stage(root, teacher, settings[actors]))
    return {name: sum(n for _, n in some) / sum(s for s, _ in some) for name, some in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--shard-size", type=int, default=300)
    parser.add_argument("--side", type=int, default=256, help="of the images, pixels")
    parser.add_argument("--teacher", type=Path, help="a trained one's model folder; else it is untrained")
    args = parser.parse_args()

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
