"""Benchmarks of boxes: COCO's and LVIS's annotation files, OV-COCO, OV-LVIS, and any folder with a COCO JSON.

    annotations/instances_val2017.json, val2017
    annotations/lvis_v1_val.json, train2017, val2017
    valid/annotations_without_background.json (ODinW) or valid/_annotations.coco.json (Roboflow), photos there

Boxes are xyxy in pixels of the stored image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ovseg_core import files
from ovseg_core.benchmarks import class_names
from ovseg_core.benchmarks.benchmark import BenchmarkError, check_there, content_of, distinct
from ovseg_core.benchmarks.coco import PLACES, lvis_file, lvis_name
from ovseg_core.benchmarks.coco_sources import Json, by_image, photo_of, read_json
from ovseg_core.benchmarks.layout import find
from ovseg_core.records import BadSample
from ovseg_core.shards import decode_image
from ovseg_core.text.prompts import parse_classes

# The split of Bansal et al. (ECCV 2018) that OVR-CNN and ViLD took over: 48 base and 17 novel of COCO's 80.
OV_COCO_NOVEL = [
    *(
        "airplane",
        "bus",
        "cat",
        "dog",
        "cow",
        "elephant",
        "umbrella",
        "tie",
        "snowboard",
        "skateboard",
        "cup",
    ),
    *("knife", "cake", "couch", "keyboard", "sink", "scissors"),
]
OV_COCO_LEFT_OUT = [
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "sports ball", "baseball bat"),
    *("baseball glove", "tennis racket", "wine glass", "hot dog", "potted plant", "dining table"),
    *("cell phone", "hair drier", "teddy bear"),
]
ODINW_FILES = [
    *("valid/annotations_without_background.json", "valid/_annotations.coco.json"),
    *("test/annotations_without_background.json", "test/_annotations.coco.json"),
    *("annotations_without_background.json", "_annotations.coco.json", "annotations.json"),
]
FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}


@dataclass(frozen=True)
class BoxBenchmark:
    """Images, the boxes in them, and the names of their classes."""

    name: str
    categories: list[int]  # category ids, ascending; the class index is the place in this list
    names: list[str]  # one entry per class, synonyms by comma
    subsets: dict[str, list[int]]  # class indices: base and novel, or rare, common, frequent
    ap: str  # rules of the average precision: a key of metrics.ap.PROTOCOLS
    iou_type: str  # bbox or segm
    protocol: str
    truth: Mapping[str, list[Json]]  # `images`, `annotations`, `categories`
    paths: Mapping[str, str]  # id -> photo
    where: str

    @property
    def ids(self) -> list[str]:
        """Image ids, as text."""
        return list(self.paths)

    @property
    def queries(self) -> list[list[str]]:
        """Per class the names that a model is asked for."""
        return parse_classes(self.names)

    @cached_property
    def _annotations(self) -> dict[int, list[Json]]:
        return by_image(self.truth["annotations"])

    def image(self, key: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        try:
            return decode_image(content_of(self.paths[key], self.name))
        except BadSample as error:
            raise BenchmarkError(
                f"{self.paths[key]}: {error}; mend it or take it out of {self.where}"
            ) from error

    def boxes(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """(N, 4) float boxes and (N,) class indices of what is to be found, crowds left out."""
        single = [a for a in self._annotations.get(int(key), []) if not a.get("iscrowd")]
        corners = np.array([a["bbox"] for a in single], float).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        place = {number: index for index, number in enumerate(self.categories)}
        return corners, np.array([place[a["category_id"]] for a in single], np.int64)

    def fingerprint(self) -> str:
        """Digest of the annotations and every photo."""
        digests = [files.digest(path) for path in (self.where, *self.paths.values())]
        return files.fingerprint([self.names, self.categories, self.subsets, self.ids], digests)


def of_annotations(
    name: str,
    where: str,
    content: Json,
    paths: Mapping[int, str],
    names: Sequence[str],
    protocol: str,
    *,
    subsets: Mapping[str, Sequence[int]] | None = None,
    ap: str = "coco",
    iou_type: str = "bbox",
) -> BoxBenchmark:
    """A benchmark of an annotation file: `names` go with its categories by ascending id."""
    categories = sorted(content["categories"], key=lambda category: category["id"])
    for image in content["images"]:
        if "width" not in image or "height" not in image:
            raise BenchmarkError(f"{where}: image {image.get('id')} has no width and height")
    known = {category["id"] for category in categories}
    for annotation in content["annotations"]:
        if annotation["category_id"] not in known or annotation["image_id"] not in paths:
            raise BenchmarkError(f"{where}: annotation {annotation['id']} has an unknown category or image")
    ids = distinct([str(number) for number in paths], where)
    check_there(list(paths.values()), where)
    return BoxBenchmark(
        name=name,
        categories=[category["id"] for category in categories],
        names=list(names),
        subsets={subset: list(classes) for subset, classes in (subsets or {}).items()},
        ap=ap,
        iou_type=iou_type,
        protocol=protocol,
        truth={key: list(content[key]) for key in ("images", "annotations", "categories")},
        paths=dict(zip(ids, paths.values(), strict=True)),
        where=where,
    )


def ov_coco(root: str) -> BoxBenchmark:
    """48 base and 17 novel classes; images without one of them are left out, as in OVR-CNN (4,836 remain)."""
    home = find(root, PLACES, "annotations/instances_val2017.json")
    where = files.join(home, "annotations/instances_val2017.json")
    content = read_json(where, ("images", "annotations", "categories"))
    kept = [
        c for c in sorted(content["categories"], key=lambda c: c["id"]) if c["name"] not in OV_COCO_LEFT_OUT
    ]
    ids = {category["id"] for category in kept}
    annotations = [a for a in content["annotations"] if a["category_id"] in ids]
    shown = {a["image_id"] for a in annotations}
    images = [image for image in content["images"] if image["id"] in shown]
    novel = [index for index, category in enumerate(kept) if category["name"] in OV_COCO_NOVEL]
    base = [index for index in range(len(kept)) if index not in novel]
    protocol = (
        "The 65 names compete for every box. AP50 of the 17 novel classes is the number to "
        "compare; generalized setting."
    )
    cut = {"images": images, "annotations": annotations, "categories": kept}
    paths = {image["id"]: photo_of(image, home) for image in images}
    names = class_names.prompted([class_names.coco(category["name"]) for category in kept])
    return of_annotations(
        "ov-coco", where, cut, paths, names, protocol, subsets={"base": base, "novel": novel}
    )  # fmt: skip


def lvis(root: str) -> BoxBenchmark:
    """LVIS's boxes, fixed AP (Dave et al., 2021), as DetCLIPv2 reports it."""
    return _lvis(
        root, "lvis", "lvis-fixed", "bbox", "Fixed AP of boxes over rare, common and frequent classes."
    )


def ov_lvis(root: str) -> BoxBenchmark:
    """LVIS's masks; the 337 rare classes are the novel ones (ViLD)."""
    return _lvis(root, "ov-lvis", "lvis", "segm", "AP of masks; the rare classes are the novel ones (ViLD).")


def _lvis(root: str, name: str, ap: str, iou_type: str, protocol: str) -> BoxBenchmark:
    home, where = lvis_file(root)
    content = read_json(where, ("images", "annotations", "categories"))
    categories = sorted(content["categories"], key=lambda category: category["id"])
    lacking = [i["id"] for i in content["images"] if "neg_category_ids" not in i]
    if lacking:
        raise BenchmarkError(
            f"{where}: image {lacking[0]} has no neg_category_ids, where LVIS says for which classes it was "
            "checked"
        )
    subsets = {
        word: [index for index, category in enumerate(categories) if category["frequency"] == letter]
        for letter, word in FREQUENCIES.items()
    }
    paths = {image["id"]: photo_of(image, home) for image in content["images"]}
    names = [lvis_name(category) for category in categories]
    return of_annotations(
        name, where, content, paths, names, protocol, subsets=subsets, ap=ap, iou_type=iou_type
    )  # fmt: skip


def coco_folder(root: str) -> BoxBenchmark:
    """A folder with a COCO JSON and its photos beside it, as each data set of ODinW."""
    there = [files.join(root, name) for name in ODINW_FILES if files.exists(files.join(root, name))]
    if not there:
        raise BenchmarkError(
            f"{files.join(root, ODINW_FILES[0])} is missing (looked for {', '.join(ODINW_FILES[1:])})"
        )
    where = there[0]
    content = read_json(where, ("images", "annotations", "categories"))
    paths = {
        image["id"]: files.join(where.rpartition("/")[0], image["file_name"]) for image in content["images"]
    }
    categories = sorted(content["categories"], key=lambda category: category["id"])
    names = [category["name"].replace("_", " ").replace(",", " ") for category in categories]
    return of_annotations(
        "odinw", where, content, paths, names, "COCO AP of boxes; the file's names compete."
    )
