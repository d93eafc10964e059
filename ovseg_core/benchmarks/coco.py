"""COCO-Stuff, COCO-Object, COCO panoptic, and LVIS drawn as classes.

coco_stuff164k: images/val2017, annotations/val2017; or as COCO's archives unpack:
annotations/panoptic_val2017.json, annotations/panoptic_val2017, stuffthingmaps/val2017, val2017
annotations/lvis_v1_val.json, train2017, val2017
"""

from collections.abc import Sequence

from ovseg_core import files
from ovseg_core.benchmarks import class_names
from ovseg_core.benchmarks.benchmark import Background, Benchmark, BenchmarkError, check_there, distinct
from ovseg_core.benchmarks.coco_sources import (
    InstanceFiles,
    Json,
    PanopticFiles,
    by_image,
    photo_of,
    read_json,
)
from ovseg_core.benchmarks.label_files import table
from ovseg_core.benchmarks.layout import Classes, benchmark, find, of_label_files, stems
from ovseg_core.text.categories import COCO_STUFF, COCO_THINGS

PLACES = ["", "coco", "COCO"]
NOT_USED = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}  # labels of things that COCO never annotated
THINGS = [label for label in range(91) if label not in NOT_USED]
STUFF = list(range(91, 182))


def coco_stuff(root: str) -> Benchmark:
    """80 things and 91 kinds of stuff; label k is COCO's category k + 1, 255 is void."""
    names = class_names.prompted(class_names.coco_stuff(COCO_THINGS, COCO_STUFF))
    classes = Classes(names=names, things=range(80))
    protocol = "171 classes compete for every pixel; unlabelled pixels are void."
    return _pixel_maps(
        root, "coco-stuff171", classes, protocol, {raw: i for i, raw in enumerate([*THINGS, *STUFF])}
    )


def coco_object80(root: str) -> Benchmark:
    """The 80 things; stuff and what is not labelled are void."""
    classes = Classes(names=_things())
    protocol = "80 class names compete for every pixel; all else does not count."
    return _pixel_maps(root, "coco-object80", classes, protocol, {raw: i for i, raw in enumerate(THINGS)})


def coco_object81(root: str) -> Benchmark:
    """The 80 things; stuff and what is not labelled are background (GroupViT's conversion)."""
    classes = Classes(names=["background", *_things()], background=Background(0, ("background",)))
    protocol = (
        "80 class names and the background, which is all stuff and all unlabelled pixels. Its own rule: the "
        "word `background` competes; OVSegmentor has threshold=0.9."
    )
    drawn = {raw: i + 1 for i, raw in enumerate(THINGS)} | dict.fromkeys((*STUFF, 255), 0)
    return _pixel_maps(root, "coco-object81", classes, protocol, drawn)


def _things() -> list[str]:
    return class_names.prompted([class_names.coco(name) for name in COCO_THINGS])


def _pixel_maps(root: str, name: str, classes: Classes, protocol: str, drawn: dict[int, int]) -> Benchmark:
    masks, photos = _unpacked(root)
    keys = [key for key in stems(masks, ".png") if not key.endswith("TrainIds")]  # mmsegmentation's copies
    paths = {key: (files.join(photos, f"{key}.jpg"), files.join(masks, f"{key}.png")) for key in keys}
    void = [label for label in (*THINGS, *STUFF, 255) if label not in drawn]
    return of_label_files(name, paths, masks, classes, protocol, table(drawn, void))


def _unpacked(root: str) -> tuple[str, str]:
    for place in PLACES:  # as COCO's archives unpack
        home = files.join(root, place) if place else root
        if files.exists(files.join(home, "stuffthingmaps/val2017")):
            return files.join(home, "stuffthingmaps/val2017"), files.join(home, "val2017")
    home = find(root, ["coco_stuff164k", "coco-stuff", *PLACES], "annotations/val2017")
    return files.join(home, "annotations/val2017"), files.join(home, "images/val2017")


def coco_panoptic(root: str) -> Benchmark:
    """The 133 classes of the panoptic challenge; crowds have their class."""
    home = find(root, PLACES, "annotations/panoptic_val2017.json")
    where = files.join(home, "annotations/panoptic_val2017.json")
    content = read_json(where, ("annotations", "categories"))
    categories = sorted(content["categories"], key=lambda category: category["id"])
    return panoptic(
        "coco-panoptic",
        content["annotations"],
        categories,
        (where.removesuffix(".json"), files.join(home, "val2017"), where),
        "The names of the annotation file compete for every pixel; unannotated pixels are void.",
        class_names.prompted([class_names.coco(category["name"]) for category in categories]),
    )


def panoptic(
    name: str,
    annotations: Sequence[Json],
    categories: Sequence[Json],
    folders: tuple[str, str, str],
    protocol: str,
    names: Sequence[str],
) -> Benchmark:
    """A benchmark of panoptic annotations.

    Args:
        annotations: entries of `annotations`, an image each; `categories` are the classes, in their order.
        folders: of the PNGs and of the photos, and the annotation file.
    """
    masks, photos, where = folders
    found = {f"{one['image_id']:012d}": one for one in sorted(annotations, key=lambda one: one["image_id"])}
    index = {category["id"]: place for place, category in enumerate(categories)}
    for key, one in found.items():
        if unknown := [s["category_id"] for s in one["segments_info"] if s["category_id"] not in index]:
            raise BenchmarkError(f"{where}: image {key} has category {unknown[0]}, which is not listed")
    source = PanopticFiles(found, masks, photos, index, where)
    ids = distinct(list(found), where)
    check_there([source.image_path(key) for key in ids], where)
    check_there([source.truth_paths(key)[0] for key in ids], where)
    things = [place for place, category in enumerate(categories) if category["isthing"]]
    return benchmark(name, ids, source, Classes(names=names, things=things), protocol)


def lvis1103(root: str) -> Benchmark:
    """LVIS's instances drawn as classes: those categories that occur in the validation images."""
    home, where = lvis_file(root)
    content = read_json(where, ("images", "annotations", "categories"))
    occurring = {annotation["category_id"] for annotation in content["annotations"]}
    categories = sorted((c for c in content["categories"] if c["id"] in occurring), key=lambda c: c["id"])
    annotated = by_image(content["annotations"])
    images = {str(image["id"]): image for image in content["images"] if image["id"] in annotated}
    index = {category["id"]: place for place, category in enumerate(categories)}
    check_there([photo_of(image, home) for image in images.values()], where)
    subsets = {
        {"r": "rare", "c": "common", "f": "frequent"}[letter]: [
            place for place, category in enumerate(categories) if category["frequency"] == letter
        ]
        for letter in "rcf"
    }
    classes = Classes(names=[lvis_name(category) for category in categories], subsets=subsets)
    protocol = (
        f"The {len(categories)} categories that occur in the annotations compete for every pixel; instances "
        "are drawn small over large, what none covers is void. S-Seg (Table 5) scores 1,103 classes and does "
        "not say which."
    )
    source = InstanceFiles(images, annotated, home, index, where)
    return benchmark("lvis1103", distinct(list(images), where), source, classes, protocol)


def lvis_file(root: str) -> tuple[str, str]:
    """Folder and annotation file of LVIS's validation split."""
    home = find(root, [*PLACES, "lvis"], "annotations/lvis_v1_val.json")
    return home, files.join(home, "annotations/lvis_v1_val.json")


def lvis_name(category: Json) -> str:
    """`baseball_bat` and its synonyms as words, by comma."""
    words = [category["name"], *category.get("synonyms", [])]
    return ", ".join(dict.fromkeys(word.replace("_", " ").replace(",", "") for word in words))
