"""ADE20K with 150 and 847 classes, Cityscapes, CamVid, ImageNet-S, and a folder of the user's own.

ADEChallengeData2016: images/validation, annotations/validation
ADE20K_2021_17_01: images_detectron2/validation, annotations_detectron2/validation (*.tif), names.txt
cityscapes: leftImg8bit/val/{city}/*_leftImg8bit.png, gtFine/val/{city}/*_gtFine_labelIds.png
CamVid: test, testannot (11 classes, 11 is void)
ImageNetS919: validation/{wnid}/*.JPEG, validation-segmentation/{wnid}/*.png, LOC_synset_mapping.txt
anything: images, masks, names.txt
"""

from pathlib import PurePosixPath

from ovseg_core import files
from ovseg_core.benchmarks import scene_names
from ovseg_core.benchmarks.benchmark import Background, Benchmark, BenchmarkError
from ovseg_core.benchmarks.class_names import prompted
from ovseg_core.benchmarks.label_files import red_green, table
from ovseg_core.benchmarks.layout import (
    Classes,
    find,
    lines,
    of_label_files,
    read_names,
    stems,
    things_by_name,
)

IMAGENET_S = 919
OTHER, IGNORED = 0, 1000  # labels of ImageNet-S that are no class


def ade150(root: str) -> Benchmark:
    """ADE20K's 150 classes of the scene parsing challenge."""
    home = find(root, ["ADEChallengeData2016", "ade/ADEChallengeData2016", ""], "annotations/validation")
    masks = files.join(home, "annotations/validation")
    photos = files.join(home, "images/validation")
    paths = {k: (files.join(photos, f"{k}.jpg"), files.join(masks, f"{k}.png")) for k in stems(masks, ".png")}
    things = [
        i for i, entry in enumerate(scene_names.ADE20K) if entry.split(",")[0] not in scene_names.ADE20K_STUFF
    ]
    classes = Classes(names=prompted(scene_names.ADE20K), things=things)
    protocol = "150 classes compete for every pixel; unlabelled pixels (0) are void."
    return of_label_files("ade150", paths, masks, classes, protocol, table(range(1, 151), void=[0]))


def ade847(root: str) -> Benchmark:
    """ADE20K's 847 classes, as detectron2's converter writes them: 16-bit TIFFs, 65535 is void."""
    home = find(root, ["ADE20K_2021_17_01", ""], "annotations_detectron2/validation")
    masks = files.join(home, "annotations_detectron2/validation")
    photos = files.join(home, "images_detectron2/validation")
    named = [files.join(home, name) for name in ("names.txt", "ade847.json")]
    names = read_names(next((path for path in named if files.exists(path)), named[0]))
    if len(names) != 847:
        raise BenchmarkError(
            f"{home} has a list of {len(names)} names; the classes of this benchmark are 847"
        )
    paths = {k: (files.join(photos, f"{k}.jpg"), files.join(masks, f"{k}.tif")) for k in stems(masks, ".tif")}
    classes = Classes(names=names, things=things_by_name(names))
    protocol = "847 classes compete for every pixel; what the converter gives no class is void."
    return of_label_files("ade847", paths, masks, classes, protocol, table(range(847), void=[65535]))


def cityscapes(root: str) -> Benchmark:
    """The 19 classes that count, from labelIds; the other labels are void."""
    home = find(root, ["cityscapes", "Cityscapes", ""], "gtFine/val")
    masks, photos = files.join(home, "gtFine/val"), files.join(home, "leftImg8bit/val")
    ending = "_gtFine_labelIds.png"
    paths = {}
    for city in (path.rpartition("/")[2] for path in files.listing(masks, "")):
        for key in stems(files.join(masks, city), ending):
            photo = files.join(photos, city, f"{key}_leftImg8bit.png")
            paths[key] = photo, files.join(masks, city, key + ending)
    counted = scene_names.CITYSCAPES_LABELS
    void = [
        label for label in (*range(34), 255) if label not in counted
    ]  # 255: license plate, -1 in the list
    names = scene_names.CITYSCAPES
    things = [index for index, name in enumerate(names) if name in scene_names.CITYSCAPES_THINGS]
    protocol = "19 classes compete for every pixel; the labels that Cityscapes leaves out are void."
    classes = Classes(names=prompted(names), things=things)
    return of_label_files("cityscapes", paths, masks, classes, protocol, table(counted, void))


def camvid(root: str) -> Benchmark:
    """The 11 classes and the 233 test images of SegNet's version."""
    home = find(root, ["CamVid", "camvid", ""], "testannot")
    masks, photos = files.join(home, "testannot"), files.join(home, "test")
    paths = {k: (files.join(photos, f"{k}.png"), files.join(masks, f"{k}.png")) for k in stems(masks, ".png")}
    names = scene_names.CAMVID
    things = [index for index, name in enumerate(names) if name in scene_names.CAMVID_THINGS]
    classes = Classes(names=prompted(names), things=things)
    protocol = "11 classes compete for every pixel; label 11 is void."
    return of_label_files("camvid", paths, masks, classes, protocol, table(range(11), void=[11]))


def imagenet_s(root: str) -> Benchmark:
    """ImageNet-S's 919 classes: label k is the k-th of the sorted WordNet ids, `other` is the background."""
    home = find(root, ["ImageNetS919", "imagenet-s/ImageNetS919", ""], "validation-segmentation")
    masks, photos = files.join(home, "validation-segmentation"), files.join(home, "validation")
    ids = sorted(path.rpartition("/")[2] for path in files.listing(masks, ""))
    if len(ids) != IMAGENET_S:
        raise BenchmarkError(
            f"{masks} has {len(ids)} folders; labels count the {IMAGENET_S} sorted WordNet ids, so all "
            "have to be there"
        )
    said = _words_of(find(home, ["", ".."], "LOC_synset_mapping.txt"))
    paths = {
        key: (files.join(photos, wnid, f"{key}.JPEG"), files.join(masks, wnid, f"{key}.png"))
        for wnid in ids
        for key in stems(files.join(masks, wnid), ".png")
    }
    if unnamed := [wnid for wnid in ids if wnid not in said]:
        raise BenchmarkError(
            f"LOC_synset_mapping.txt has no line for {unnamed[0]} nor {len(unnamed) - 1} more"
        )
    names = ["background", *(said[wnid] for wnid in ids)]
    classes = Classes(names=names, background=Background(0))
    protocol = (
        "919 class names compete for every pixel. Its own rule: `other` pixels do not count; S-Seg has a "
        "threshold. Label 1000 is void."
    )
    labels = table(range(IMAGENET_S + 1), void=[IGNORED])
    return of_label_files("imagenet-s919", paths, masks, classes, protocol, labels, red_green)


def _words_of(home: str) -> dict[str, str]:
    split = (line.partition(" ") for line in lines(files.join(home, "LOC_synset_mapping.txt")))
    return {wnid: words.strip() for wnid, _, words in split}


def folder(root: str) -> Benchmark:
    """A user's own: label k is the k-th line of names.txt, counted from 0; 255 (16-bit: 65535) is void."""
    masks, where = files.join(root, "masks"), files.join(root, "names.txt")
    names = read_names(where)
    photos = {PurePosixPath(path).stem: path for path in files.listing(files.join(root, "images"), "")}
    paths = {
        key: (photos.get(key, files.join(root, "images", f"{key}.jpg")), files.join(masks, f"{key}.png"))
        for key in sorted({*stems(masks, ".png"), *photos})
    }
    things = things_by_name(names)
    background = Background(0, (names[0],)) if names[0] == "background" else None
    classes = Classes(names=names, things=things, background=background)
    protocol = "A folder of images and masks; its names compete for every pixel."
    return of_label_files("folder", paths, files.join(root, "images"), classes, protocol)
