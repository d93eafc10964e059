"""The annotated photos of the source `photos`: COCO (labelled set and a benchmark) and VOC (a benchmark).

The COCO photos with panoptic masks are split by their sorted ids: those at even places are labelled data,
those at odd places the benchmark. A photo of the benchmark is never among the labelled ones.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from ovseg_core import files, hashing
from ovseg_core.benchmarks import class_names
from ovseg_core.benchmarks.coco import panoptic
from ovseg_core.web.benchmark_writer import copy_benchmark
from ovseg_core.web.coco_sets import Panoptic, instances
from ovseg_core.web.labelled import Labelled
from ovseg_core.web.voc_photos import voc_photos

PANOPTIC = "coco_panoptic_train100/panoptic_segmentation/annotations/panoptic_train2017"
PANOPTIC_PHOTOS = "coco_panoptic_train100/images/train2017"
INSTANCES = "coco_subset_128/instances_train2017.json"
INSTANCE_PHOTOS = "coco_subset_128/images"
VOC_MASKS = "voc_train200/SegmentationClassAug"
VOC_PHOTOS = "voc_train200/JPEGImages"
NEEDED = [f"{PANOPTIC}.json", PANOPTIC, PANOPTIC_PHOTOS, INSTANCES, INSTANCE_PHOTOS, VOC_MASKS, VOC_PHOTOS]
COCO_PROTOCOL = (
    "Every second photo of the panoptic set by sorted id, at its own size; the others are labelled data. The "
    "panoptic classes that occur in these photos compete for every pixel; unannotated pixels are void."
)


class Coco:
    """The COCO photos of the folder, split into labelled data and benchmark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.panoptic = Panoptic(folder / f"{PANOPTIC}.json", folder / PANOPTIC_PHOTOS)
        self.for_labels, self.for_benchmark = self.panoptic.all[::2], self.panoptic.all[1::2]
        used = {s["category_id"] for annotation in self.for_benchmark for s in annotation["segments_info"]}
        categories = [self.panoptic.categories[number] for number in sorted(used)]
        names = [class_names.coco(category["name"]) for category in categories]
        folders = str(self.panoptic.masks), str(self.panoptic.photos), str(folder / f"{PANOPTIC}.json")
        self.benchmark = panoptic(
            "coco-photos", self.for_benchmark, categories, folders, COCO_PROTOCOL, names
        )

    def names_of(self, kind: str) -> list[str]:
        """First names of the benchmark's classes of one kind."""
        return [self.benchmark.title(index) for index in self.benchmark.of_kind(kind)]

    def labelled(self, drops: Counter[str]) -> Iterator[Labelled]:
        """Photos with panoptic masks, then those with instance masks; the benchmark's are kept out."""
        ids = {annotation["image_id"] for annotation in self.for_benchmark}
        contents = {hashing.sha256(self.panoptic.photo(annotation)) for annotation in self.for_benchmark}
        further = instances(self.folder / INSTANCES, self.folder / INSTANCE_PHOTOS, drops)
        images = chain(self.panoptic.labelled(self.for_labels), further)
        for image in tqdm(images, desc="web: labelled", unit="photo"):
            if int(image.id) in ids or hashing.sha256(image.jpeg) in contents:
                drops["in_benchmark"] += 1
            else:
                yield image


def write_benchmarks(folder: Path, coco: Coco, benchmarks: str) -> None:
    """`coco-photos` and `voc-photos`."""
    for found in (coco.benchmark, voc_photos(folder / VOC_PHOTOS, folder / VOC_MASKS)):
        copy_benchmark(files.join(benchmarks, found.name), found)
