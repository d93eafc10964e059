"""What an evaluation costs beside the bare forward passes of its model, and the memory that it takes.

    python benchmarks/evaluation.py [--classes 21 150 847] [--images 24] [--reading none] [--backbone NAME]

A model with random weights (by default OpenSeg on timm's MobileNetV2, FPN of 128 channels, 64 regions) reads
drawn images of 512x512 pixels from JPEG and PNG files. Both are measured in turn in one run: `forward` calls
what the evaluation calls of the model, on tensors that are there; `evaluation` decodes, resizes, asks the
model, compares the classes of every pixel and counts, a thread each for decoding, model and counting. Ratios
are medians over rounds in which both run, one after the other: a busy machine slows both. The ratio by the
clock is that of a machine with cores to spare; that of CPU time holds where there are none.
"""

import argparse
import io
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ovseg_core.benchmarks.folder import read
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.evaluator import Evaluator, plan
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import build

SIDE = 512
IMAGE: dict[str, Any] = {
    "backbone": "timm:mobilenetv2_100", "weights": None, "frozen": False, "frozen_norm": False,
    "normalize": "imagenet", "levels": [2, 3, 4, 5], "components": None, "final_map": False,
    "output_stride": 32, "options": {}, "width": 128,
}  # fmt: skip
TEXT = {"tower": "small", "width": 64, "layers": 1, "start": "random", "weights": None, "frozen": False}
OPENSEG = {
    "regions": "learnt", "num_regions": 64, "layers": 2, "positions": 16, "head": "conv", "alpha": 1.0,
    "kp": 0.75, "sync": False, "region_temperature": None, "mask_negatives": False,
    "grounding_weight": 1.0, "word_weight": 0.0,
}  # fmt: skip
SETTINGS = EvalSettings(
    use_proposals="predicted", prompts="single", short_side=None, cluster_weight=0.0, centring=0.0,
    background="benchmark", max_proposals=128, batch_size=4, threads=1, workers=1, num_gpus=0, gallery=0,
    seed=0,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", nargs="+", type=int, default=[21, 150, 847])
    parser.add_argument(
        "--images",
        type=int,
        default=24,
        help="of few, the last batch weighs, which is counted after the model",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--reading", choices=("predicted", "none"), default="predicted")
    parser.add_argument("--backbone", default=IMAGE["backbone"])
    parser.add_argument("--width", type=int, default=IMAGE["width"], help="channels of the pyramid")
    args = parser.parse_args()
    IMAGE.update(backbone=args.backbone, width=args.width)
    torch.set_num_threads(args.threads)
    print(f"{'classes':>8} {'forward':>9} {'evaluation':>11} {'ratio':>6} {'of CPU time':>12} {'peak MB':>8}")
    for count in args.classes:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), count, args.images)
            forward, evaluation, ratio = measure(folder, count, args.reading)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{count:>8} {forward[0]:>8.3f}s {evaluation[0]:>10.3f}s {ratio[0]:>6.3f} {ratio[1]:>12.3f} "
            f"{peak:>8.0f}",
            flush=True,
        )


def measure(folder: str, count: int, reading: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds per image (clock, CPU time) of model and evaluation, and their ratio: medians of 5 rounds."""
    benchmark = read(folder)
    torch.manual_seed(0)
    words = [f"thing{number}" for number in range(count)]
    method = build("openseg", OPENSEG, {"image": IMAGE, "text": TEXT, "embed_dim": 64}, words).eval()
    settings = EvalSettings(**{**vars(SETTINGS), "use_proposals": reading})
    evaluator = Evaluator(method, benchmark, {"run": settings}, "no probe")
    batches = plan(benchmark, settings)
    images = [inference.to_input([benchmark.image(key) for key in batch], None) for batch in batches]
    queries = evaluator.queries["run"].embeddings

    def bare() -> None:
        for tensor in images:
            with torch.inference_mode():
                method.score_maps(tensor, queries, reading)
                if reading == "predicted":
                    method.proposals(tensor)

    rounds = [(timed(bare), timed(lambda: evaluator.over(batches))) for _ in range(6)]
    taken = np.array(rounds[1:])  # the first warms up; (rounds, model or evaluation, clock or CPU)
    forward, evaluation = np.median(taken, axis=0) / len(benchmark.ids)
    return forward, evaluation, np.median(taken[:, 1] / taken[:, 0], axis=0)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of CPU time."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def draw(folder: Path, count: int, images: int) -> None:
    """A benchmark of blobs: a dozen classes an image, drawn as noise around a colour."""
    rng = np.random.default_rng(0)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    keys = [f"{number:03d}" for number in range(images)]
    for key in keys:
        classes = np.kron(rng.choice(count, (4, 4)), np.ones((SIDE // 4, SIDE // 4), int))
        colours = rng.integers(0, 256, (count, 3))[classes] + rng.normal(0, 8, (SIDE, SIDE, 3))
        buffer = io.BytesIO()
        Image.fromarray(colours.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        (folder / f"JPEGImages/{key}.jpg").write_bytes(buffer.getvalue())
        Image.fromarray(classes.astype(np.uint16)).save(folder / f"SegmentationClass/{key}.png")
    (folder / "ImageSets/Segmentation/val.txt").write_text("\n".join(keys))
    about = {
        "name": "drawn", "names": [f"thing{number}" for number in range(count)], "kinds": ["thing"] * count,
        "background": None, "held_out": [], "subsets": {}, "protocol": "",
    }  # fmt: skip
    (folder / "benchmark.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
