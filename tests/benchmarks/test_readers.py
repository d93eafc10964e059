"""Every reader on tiny data in the true format of its benchmark."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from made_data import (
    grey_png,
    instance,
    label_map,
    lvis,
    palette_png,
    panoptic,
    photo,
    put,
    rgb_png,
    tiff16,
    voc,
)
from PIL import Image

from ovseg_core.benchmarks import scene_names
from ovseg_core.benchmarks.benchmark import VOID, BenchmarkError, classes_in
from ovseg_core.benchmarks.boxes import OV_COCO_LEFT_OUT, OV_COCO_NOVEL
from ovseg_core.benchmarks.load import load
from ovseg_core.text.categories import COCO_STUFF, COCO_THINGS

REAL = os.environ.get("OVSEG_REALDATA", "")


def column(benchmark, key):
    """The labels down the first column of an image's class map."""
    return benchmark.truth(key, benchmark.image(key).shape[:2])[:, 0].tolist()


@pytest.mark.parametrize("home", ["VOCdevkit/VOC2012", "VOC2012", "."])
def test_voc_with_and_without_background(tmp_path, home):
    voc(tmp_path, home)
    without = load("voc20", tmp_path)
    assert column(without, "2007_000033") == [VOID, 0, 19, VOID]
    assert (without.background, len(without.names), without.title(0)) == (None, 20, "aeroplane")
    benchmark = load("voc21", tmp_path)
    assert column(benchmark, "2007_000042") == [0, 1, 20, VOID]
    assert (benchmark.background.index, len(benchmark.background.names)) == (0, 39)
    assert benchmark.of_kind("thing") == list(range(1, 21))
    assert "sky" in benchmark.queries[0]
    assert "background" not in benchmark.queries[0]
    dog = benchmark.queries[12]
    assert dog == ["dog", "puppy", "dogs", "puppies"]  # App. I
    assert {"person", "children", "men"} <= set(benchmark.queries[15])


def context(root):
    home = root / "VOCdevkit/VOC2010"
    put(home / "JPEGImages/2008_000002.jpg", photo(4, 3))
    labels = np.repeat([[0], [1], [59], [255]], 3, axis=1)
    put(home / "SegmentationClassContext/2008_000002.png", palette_png(labels))
    put(home / "ImageSets/SegmentationContext/val.txt", "2008_000002\n")
    return home


def test_context_with_59_and_60_classes(tmp_path):
    context(tmp_path)
    assert column(load("context59", tmp_path), "2008_000002") == [VOID, 0, 58, VOID]
    benchmark = load("context60", tmp_path)
    assert column(benchmark, "2008_000002") == [0, 1, 59, VOID]
    assert benchmark.queries[0] == ["background"]
    assert benchmark.title(59) == "wood"
    assert benchmark.kinds[59] == "stuff"


@pytest.mark.parametrize("nested", ["trainval/trainval", "trainval"])
def test_context_with_all_classes_reads_matlab_files_and_their_names(tmp_path, nested):
    home = context(tmp_path)
    names = [f"{number}: thing {number}" for number in range(1, 458)] + ["458: sky", "459: wood"]
    put(home / "trainval/labels.txt", "\n".join(names))
    put(home / nested / "2008_000002.mat", label_map(np.repeat([[0], [1], [300], [459]], 3, axis=1)))
    benchmark = load("context459", tmp_path)
    assert column(benchmark, "2008_000002") == [VOID, 0, 299, 458]  # beyond what 8 bits hold
    assert (len(benchmark.names), benchmark.title(299), benchmark.kinds[457]) == (459, "thing 300", "stuff")
    put(home / nested / "2008_000002.mat", b"MATLAB 5.0 MAT-file, cut")
    with pytest.raises(BenchmarkError, match=r"2008_000002\.mat cannot be read as a \.mat file"):
        benchmark.truth("2008_000002")


def test_ade_with_150_classes(tmp_path):
    home = tmp_path / "ADEChallengeData2016"
    put(home / "images/validation/ADE_val_00000001.jpg", photo(3, 3))
    put(
        home / "annotations/validation/ADE_val_00000001.png",
        grey_png(np.repeat([[0], [1], [150]], 3, axis=1)),
    )
    benchmark = load("ade150", tmp_path)
    assert column(benchmark, "ADE_val_00000001") == [VOID, 0, 149]
    assert (benchmark.title(0), benchmark.title(149)) == ("wall", "flag")
    named = {entry[0]: entry for entry in benchmark.queries}
    assert named["ceiling fan"] == ["ceiling fan", "floor fan"]  # App. I, in place of `fan`
    assert named["drinking glass"] == ["drinking glass"]
    assert named["grass"] == ["grass", "grasses", "lawn", "turf"]


def test_ade_with_847_classes_reads_16_bit_tiffs_and_a_list_of_names(tmp_path):
    home = tmp_path / "ADE20K_2021_17_01"
    put(home / "images_detectron2/validation/ADE_val_00000001.jpg", photo(3, 3))
    labels = np.repeat([[0], [846], [65535]], 3, axis=1)
    put(home / "annotations_detectron2/validation/ADE_val_00000001.tif", tiff16(labels))
    put(home / "names.txt", "\n".join(f"{number}:name {number}" for number in range(847)))
    benchmark = load("ade847", tmp_path)
    assert column(benchmark, "ADE_val_00000001") == [0, 846, VOID]
    assert benchmark.title(846) == "name 846"
    put(home / "names.txt", "wall\nsky\n")
    with pytest.raises(BenchmarkError, match="has a list of 2 names; the classes of this benchmark are 847"):
        load("ade847", tmp_path)


def coco_stuff(root, labels, masks="annotations/val2017", photos="images/val2017"):
    put(root / photos / "000000000139.jpg", photo(len(labels), 2))
    put(root / masks / "000000000139.png", grey_png(np.repeat(np.array(labels)[:, None], 2, axis=1)))


def test_coco_stuff_and_coco_object_come_from_the_same_maps(tmp_path):
    # person, toothbrush, banner, wood, unlabelled: labels are COCO's category ids less one
    home = tmp_path / "coco_stuff164k"
    coco_stuff(home, [0, 89, 91, 181, 255])
    put(home / "annotations/val2017/000000000139_labelTrainIds.png", b"mmsegmentation's copy is not read")
    stuff = load("coco-stuff171", tmp_path)
    assert column(stuff, "000000000139") == [0, 79, 80, 170, VOID]
    assert [stuff.title(k) for k in (0, 79, 80, 170)] == ["person", "toothbrush", "banner", "wood"]
    assert (stuff.kinds.count("thing"), stuff.kinds.count("stuff")) == (80, 91)
    said = [name for names in stuff.queries for name in names]
    assert len(said) == len(set(said))
    assert column(load("coco-object80", tmp_path), "000000000139") == [0, 79, VOID, VOID, VOID]
    assert column(load("coco-object81", tmp_path), "000000000139") == [1, 80, 0, 0, 0]
    coco_stuff(tmp_path / "unpacked", [0, 89], "stuffthingmaps/val2017", "val2017")
    assert column(load("coco-object80", tmp_path / "unpacked"), "000000000139") == [0, 79]
    coco_stuff(home, [0, 11])  # a label that COCO left out
    with pytest.raises(BenchmarkError, match=r"139\.png has label 11, which stands for no class"):
        load("coco-stuff171", tmp_path).truth("000000000139")


def test_panoptic_ids_are_coded_in_three_channels(tmp_path):
    panoptic(tmp_path)
    benchmark = load("coco-panoptic", tmp_path)
    expected = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 2, 2], [VOID, VOID, 2, 2]]  # a crowd has its class
    assert benchmark.truth("000000000042", (4, 4)).tolist() == expected
    assert (benchmark.kinds, benchmark.title(2)) == (["thing", "thing", "stuff"], "wall")
    segments = load("regions:coco-panoptic", tmp_path)
    expected = [[0, 0, 1, 1], [0, 0, 1, 1], [VOID, VOID, 3, 3], [VOID, VOID, 3, 3]]  # a crowd is no segment
    assert segments.truth("000000000042", (4, 4)).tolist() == expected
    assert (segments.names, segments.queries, segments.class_agnostic) == ([], [], True)
    put(tmp_path / "annotations/panoptic_val2017/000000000042.png", rgb_png(np.full((4, 4), 77)))
    with pytest.raises(BenchmarkError, match=r"42\.png has segment 77, which .*2017\.json does not list"):
        benchmark.truth("000000000042")


def test_lvis_drawn_as_classes_has_those_that_occur(tmp_path):
    lvis(tmp_path)
    benchmark = load("lvis1103", tmp_path)
    assert benchmark.queries == [["acorn"], ["baseball bat", "bat"]]
    assert benchmark.subsets == {"rare": [0], "common": [1], "frequent": []}
    assert benchmark.image("9").shape == (4, 6, 3)  # from train2017, as its address says
    truth = benchmark.truth("7", (4, 6))
    assert truth[0].tolist() == [1, 1, 1, 1, VOID, VOID]
    assert truth[1].tolist() == [1, 0, 0, 1, VOID, VOID]  # the small one lies on the large one
    assert np.unique(load("regions:lvis1103", tmp_path).truth("7")).tolist() == [0, 1, VOID]


def imagenet_s(root, count=919):
    home = root / "ImageNetS919"
    wnids = [f"n{number:08d}" for number in range(count)]
    for wnid in wnids:
        (home / "validation-segmentation" / wnid).mkdir(parents=True)
    labels = np.repeat([[0], [1], [255], [256], [919], [1000]], 2, axis=1)
    put(home / f"validation-segmentation/{wnids[3]}/ILSVRC2012_val_00000001.png", rgb_png(labels))
    put(home / f"validation/{wnids[3]}/ILSVRC2012_val_00000001.JPEG", photo(6, 2))
    put(home / "LOC_synset_mapping.txt", "".join(f"{w} name {w}, word {w}\n" for w in wnids))
    return home


def test_imagenet_s_keeps_its_labels_in_two_channels(tmp_path):
    home = imagenet_s(tmp_path)
    benchmark = load("imagenet-s919", tmp_path)
    assert column(benchmark, "ILSVRC2012_val_00000001") == [0, 1, 255, 256, 919, VOID]
    assert benchmark.queries[256] == ["name n00000255", "word n00000255"]
    assert benchmark.counted == list(range(1, 920))  # `other` does not count by its own rule
    (home / "validation-segmentation/n00000918").rmdir()
    with pytest.raises(BenchmarkError, match="has 918 folders; labels count the 919"):
        load("imagenet-s919", tmp_path)


def test_cityscapes_counts_19_of_its_labels(tmp_path):
    home = tmp_path / "cityscapes"
    key = "frankfurt_000000_000294"
    put(home / f"leftImg8bit/val/frankfurt/{key}_leftImg8bit.png", photo(4, 2, "PNG"))
    labels = grey_png(np.repeat([[7], [33], [0], [255]], 2, axis=1))
    put(home / f"gtFine/val/frankfurt/{key}_gtFine_labelIds.png", labels)
    benchmark = load("cityscapes", tmp_path)
    assert column(benchmark, key) == [0, 18, VOID, VOID]
    assert (benchmark.title(0), benchmark.title(18), len(benchmark.names)) == ("road", "bicycle", 19)


def test_camvid_has_11_classes(tmp_path):
    put(tmp_path / "CamVid/test/0001TP_008550.png", photo(3, 2, "PNG"))
    put(tmp_path / "CamVid/testannot/0001TP_008550.png", grey_png(np.repeat([[0], [10], [11]], 2, axis=1)))
    benchmark = load("camvid", tmp_path)
    assert column(benchmark, "0001TP_008550") == [0, 10, VOID]
    assert (benchmark.title(0), benchmark.title(10)) == ("sky", "bicyclist")


def test_a_folder_of_ones_own(tmp_path):
    put(tmp_path / "images/a.jpeg", photo(3, 2))
    put(tmp_path / "masks/a.png", grey_png(np.repeat([[0], [2], [255]], 2, axis=1)))
    put(tmp_path / "names.txt", "background\nsofa, couch\nbrick wall\n")
    benchmark = load("folder", tmp_path)
    assert column(benchmark, "a") == [0, 2, VOID]
    assert (benchmark.background.index, benchmark.queries[0]) == (0, ["background"])
    assert benchmark.kinds == ["stuff", "thing", "stuff"]
    put(tmp_path / "images/b.jpg", photo(3, 2))
    with pytest.raises(BenchmarkError, match=r"masks/b\.png is missing, as are 0 more"):
        load("folder", tmp_path)


def test_boxes_of_lvis_with_what_is_rare(tmp_path):
    lvis(tmp_path)
    benchmark = load("lvis", tmp_path)
    assert (benchmark.ap, benchmark.iou_type, benchmark.ids) == ("lvis-fixed", "bbox", ["7", "9"])
    boxes, labels = benchmark.boxes("7")
    assert boxes.tolist() == [[0, 0, 4, 4], [1, 1, 3, 3]]  # xyxy
    assert labels.tolist() == [1, 0]
    assert benchmark.names == ["acorn", "baseball bat, bat", "cat"]
    rare = load("ov-lvis", tmp_path)
    assert (rare.ap, rare.iou_type, rare.subsets["rare"]) == ("lvis", "segm", [0])
    path = tmp_path / "annotations/lvis_v1_val.json"
    content = json.loads(path.read_text())
    del content["images"][0]["neg_category_ids"]
    put(path, content)
    with pytest.raises(BenchmarkError, match="image 7 has no neg_category_ids"):
        load("lvis", tmp_path)


def test_ov_coco_keeps_48_and_17_classes(tmp_path):
    assert len(COCO_THINGS) == 80
    assert len(COCO_STUFF) == 91
    assert len({*COCO_THINGS} - {*OV_COCO_NOVEL} - {*OV_COCO_LEFT_OUT}) == 48
    numbers = {name: number for number, name in enumerate(COCO_THINGS, 1)}
    for number in (1, 2, 3):
        put(tmp_path / f"val2017/{number:012d}.jpg", photo(8, 8))
    images = [
        {"id": n, "file_name": f"{n:012d}.jpg", "height": 8, "width": 8, "coco_url": f"http://x.org/val2017/{n:012d}.jpg"}
        for n in (1, 2, 3)
    ]  # fmt: skip
    annotations = [
        instance(1, 1, numbers["cat"], (0, 0, 4, 4)),
        instance(2, 1, numbers["person"], (0, 0, 2, 2), crowd=1),
        instance(3, 2, numbers["traffic light"], (0, 0, 2, 2)),
        instance(4, 3, numbers["zebra"], (1, 2, 3, 4)),
    ]
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    put(
        tmp_path / "annotations/instances_val2017.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
    benchmark = load("ov-coco", tmp_path)
    assert benchmark.ids == ["1", "3"]  # the second shows nothing of the 65 classes
    assert {subset: len(classes) for subset, classes in benchmark.subsets.items()} == {
        "base": 48,
        "novel": 17,
    }
    boxes, labels = benchmark.boxes("1")
    assert (boxes.tolist(), [benchmark.queries[k][0] for k in labels]) == ([[0, 0, 4, 4]], ["cat"])
    assert labels[0] in benchmark.subsets["novel"]


@pytest.mark.parametrize("name", ["valid/annotations_without_background.json", "_annotations.coco.json"])
def test_any_folder_with_a_coco_json(tmp_path, name):
    image = {"id": 0, "file_name": "frog_jpg.rf.1.jpg", "height": 8, "width": 8}
    content = {
        "images": [image],
        "annotations": [instance(1, 0, 1, (0, 0, 4, 4))],
        "categories": [{"id": 1, "name": "tree_frog", "supercategory": "frogs"}],
    }
    put((tmp_path / name).parent / "frog_jpg.rf.1.jpg", photo(8, 8))
    put(tmp_path / name, content)
    benchmark = load("odinw", tmp_path)
    assert (benchmark.names, benchmark.ids, benchmark.image("0").shape) == (["tree frog"], ["0"], (8, 8, 3))
    assert benchmark.boxes("0")[0].tolist() == [[0, 0, 4, 4]]
    del image["height"]
    put(tmp_path / name, content)
    with pytest.raises(BenchmarkError, match="image 0 has no width and height"):
        load("odinw", tmp_path)


@pytest.mark.skipif(not REAL, reason="OVSEG_REALDATA names no folder of real samples")
class TestOnRealSamples:
    """Parts of the real data sets, linked into the layouts they are published in."""

    def test_voc_and_its_frequencies(self, tmp_path):
        real = Path(REAL) / "voc_train200"
        home = tmp_path / "VOC2012"
        (home / "ImageSets/Segmentation").mkdir(parents=True)
        (home / "JPEGImages").symlink_to(real / "JPEGImages")
        (home / "SegmentationClass").symlink_to(real / "SegmentationClassAug")
        ids = sorted(path.stem for path in (real / "SegmentationClassAug").glob("*.png"))
        (home / "ImageSets/Segmentation/val.txt").write_text("\n".join(ids))
        benchmark = load("voc21", tmp_path)
        seen = {label for key in ids for label in classes_in(benchmark.truth(key))}
        assert (len(benchmark.ids), min(seen), max(seen)) == (200, 0, 20)

    def test_ade_names_and_maps(self, tmp_path):
        real = Path(REAL) / "ade20k_sample"
        home = tmp_path / "ADEChallengeData2016"
        for ours, theirs in (("images/validation", "images"), ("annotations/validation", "annotations")):
            (home / ours).parent.mkdir(parents=True, exist_ok=True)
            (home / ours).symlink_to(real / "sampleData" / theirs)
        benchmark = load("ade150", tmp_path)
        assert len(benchmark.ids) == 3
        shown = {benchmark.title(k) for key in benchmark.ids for k in classes_in(benchmark.truth(key))}
        assert {"wall", "sky"} & shown
        names = [row.split("\t")[4] for row in (real / "objectInfo150.txt").read_text().splitlines()[1:]]
        stuff = [row["Stuff"] == "1" for row in csv.DictReader((real / "objectInfo150.csv").open())]
        assert benchmark.kinds == ["stuff" if flag else "thing" for flag in stuff]
        for theirs, ours in zip(names, scene_names.ADE20K, strict=True):
            assert {*ours.split(", ")} <= {name.strip() for name in theirs.split(",")}

    def test_coco_panoptic_agrees_with_its_semantic_maps(self, tmp_path):
        real = Path(REAL) / "coco_panoptic_train100"
        annotations = real / "panoptic_segmentation/annotations"
        (tmp_path / "annotations").mkdir()
        for ours, theirs in (
            ("annotations/panoptic_val2017.json", annotations / "panoptic_train2017.json"),
            ("annotations/panoptic_val2017", annotations / "panoptic_train2017"),
            ("val2017", real / "images/train2017"),
        ):
            (tmp_path / ours).symlink_to(theirs)
        benchmark = load("coco-panoptic", tmp_path)
        assert (len(benchmark.ids), len(benchmark.names)) == (100, 133)
        numbers = sorted(benchmark.source.classes)  # category ids by class index
        for key in benchmark.ids[:20]:
            with Image.open(real / f"semantic_segmentation/masks/train2017/{key}.png") as image:
                expected = np.asarray(image)
            truth = benchmark.truth(key, benchmark.image(key).shape[:2])
            found = np.where(truth == VOID, 0, np.array([*numbers, 0])[np.minimum(truth, 133)])
            assert np.array_equal(found, expected)

    def test_lvis_files_and_names(self, tmp_path):
        content = json.loads((Path(REAL) / "lvis/lvis_val_100.json").read_text())
        for image in content["images"]:
            put(tmp_path / "/".join(image["coco_url"].split("/")[-2:]), b"")
        put(tmp_path / "annotations/lvis_v1_val.json", content)
        benchmark = load("lvis", tmp_path)
        assert (len(benchmark.ids), len(benchmark.names)) == (100, 1230)
        assert sum(len(benchmark.boxes(key)[0]) for key in benchmark.ids) == len(content["annotations"])
        drawn = load("lvis1103", tmp_path)
        image = content["images"][0]
        assert drawn.truth(str(image["id"])).shape == (image["height"], image["width"])
