"""Labelling: what an actor costs against a bare loop over images in memory, and two actors against one.

Usage: `python -m benchmarks.labelling [--shards 12] [--shard-size 500]`. One torch thread each. Prints ratios
of one run on one machine; absolute times do not travel.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.toy_corpus import make_corpus
from ovseg_core import params, shards
from ovseg_core.methods.registry import build
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.registry import load
from ovseg_core.training.checkpoint import save_model
from ovseg_core.training.loop import resolve_precision
from pipelines import settings as sections
from pipelines.cluster import ClusterSettings, connect
from pipelines.labelling import LabelSettings, label

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = ClusterSettings(num_cpus=2, workers=2)


def save_teacher(folder: Path, run: dict) -> None:
    """An untrained teacher: it is as slow as a trained one."""
    torch.manual_seed(0)
    config = {name: run[name] for name in ("method", "settings", "model")} | {"words": []}
    save_model(str(folder), build(run["method"], run["settings"], run["model"], []).state_dict(), config)


def bare_speed(root: Path, teacher: dict, settings: LabelSettings, shard: str) -> float:
    """Images per second of the teacher alone, called with the images of one shard in memory."""
    images = [shards.decode_sample(raw).image for raw in shards.read_tar(shard + ".tar")]
    model = load(teacher, root / "teacher")
    half = resolve_precision(settings.precision, "cpu") == "bf16"
    size = settings.batch_size

    def once() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            for first in range(0, len(images), size):
                model(images[first : first + size])

    once()
    started = time.perf_counter()
    for _ in range(4):
        once()
    return 4 * len(images) / (time.perf_counter() - started)


def actor_speed(root: Path, teacher: dict, settings: LabelSettings, out: Path) -> float:
    """Images per second of the stage between its first and its last finished shard: start-up stays out."""
    with RunLog("pseudo_label", None) as log:
        label(teacher, root / "teacher", root / "shards", root / "features", out, settings, CLUSTER, log)
    ends = sorted((path.stat().st_mtime, path) for path in out.glob("*.parquet"))
    images = sum(len(shards.read_table(path, ["key"])) for _, path in ends[1:])
    return images / (ends[-1][0] - ends[0][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--shard-size", type=int, default=500)
    args = parser.parse_args()

    torch.set_num_threads(1)
    values = params.read(ROOT / "params.yaml")
    run = sections.resolve(values)["teacher"].train
    teacher = values["teachers"][run["data"]["pseudo"] or "masks"]
    given = {**values["pseudo_label"], "num_cpus": 1, "num_gpus": 0}
    with tempfile.TemporaryDirectory() as folder:
        root = make_corpus(Path(folder), args.shards * args.shard_size, 0, args.shard_size)
        save_teacher(root / "teacher", run)
        one, two = (
            params.build({**given, "actors": count}, "pseudo_label", LabelSettings) for count in (1, 2)
        )
        before = bare_speed(root, teacher, one, str(root / "shards" / "00000"))
        with connect(CLUSTER):
            single = actor_speed(root, teacher, one, root / "one")
            double = actor_speed(root, teacher, two, root / "two")
        bare = (before + bare_speed(root, teacher, one, str(root / "shards" / "00000"))) / 2
    print(f"bare loop in memory: {bare:.0f} images/s; one actor: {single:.0f}; two actors: {double:.0f}")
    print(f"one actor / bare loop: {single / bare:.3f}")
    print(f"two actors / one actor: {double / single:.2f}")


if __name__ == "__main__":
    main()
