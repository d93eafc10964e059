"""The images that a benchmark gives for training, without their truth."""

from pathlib import Path

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import BenchmarkError, content_of, distinct

# Context, VOC: the tree of Context, VOC2010, has both
SPLITS = ("ImageSets/SegmentationContext/train.txt", "ImageSets/Segmentation/train.txt")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def training_images(folder: Path | str) -> list[str]:
    """Paths, sorted: those of the training split of a folder in VOC's layout, else every image in the folder.

    Raises:
        BenchmarkError: for a benchmark without a training split, a split whose images are missing, or
            a folder without images.
    """
    for split in SPLITS:
        path = files.join(folder, split)
        if files.exists(path):
            ids = distinct(content_of(path, str(folder)).decode().split(), path)
            return _there([files.join(folder, "JPEGImages", f"{key}.jpg") for key in sorted(ids)], path)
    if files.exists(files.join(folder, "ImageSets")) or files.exists(files.join(folder, "benchmark.json")):
        raise BenchmarkError(
            f"{folder} is a benchmark without a training split: it has none of {', '.join(SPLITS)}. Take a "
            "folder of images or of shards"
        )
    found = [path for path in files.listing(folder, "") if path.lower().endswith(SUFFIXES)]
    if not found:
        raise BenchmarkError(f"{folder} holds no shard and no image ({', '.join(SUFFIXES)})")
    return found


def _there(paths: list[str], named_by: str) -> list[str]:
    there = set(files.listing(paths[0].rpartition("/")[0], ".jpg"))
    if missing := [path for path in paths if path not in there]:
        raise BenchmarkError(f"{missing[0]} and {len(missing) - 1} more that {named_by} names are missing")
    return paths
