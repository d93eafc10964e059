"""Images per second of the clustering teacher on colour, one thread: `python -m benchmarks.clustering`.

Drawn scenes of 64x64 pixels, so 32x32 locations; from decoded images to encoded masks. CPU seconds, so that
other work on the machine counts little; the best of several rounds.
"""

import argparse
import time

import torch

from ovseg_core import params
from ovseg_core.params import merge
from ovseg_core.teachers.registry import load
from ovseg_core.web.world import draw_scene, scene_rng
from pipelines import recipe

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    torch.set_num_threads(1)
    given = merge(params.read("params.yaml"), recipe.load("sseg-toy"))["teachers"]["clusters"]
    teacher, images = (
        load(given, ""),
        [draw_scene(scene_rng(0, "captioned", i), 64).image for i in range(args.images)],
    )
    teacher(images[:BATCH])
    speeds = []
    for _ in range(args.rounds):
        started = time.process_time()
        for first in range(0, len(images), BATCH):
            teacher(images[first : first + BATCH])
        speeds.append(len(images) / (time.process_time() - started))
    print(
        f"kmeans on colour, 32x32 locations: {max(speeds):.0f} images/s (rounds: "
        f"{', '.join(f'{speed:.0f}' for speed in speeds)})"
    )


if __name__ == "__main__":
    main()
