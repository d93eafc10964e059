import io
import json

import numpy as np
import pytest
from PIL import Image

from ovseg_core import shards
from ovseg_core.benchmarks import folder as benchmarks
from ovseg_core.params import ParamError
from ovseg_core.web import data_trees
from ovseg_core.web.faults import jpeg

PHOTO = jpeg(np.full((3, 2, 3), 50, np.uint8))
CATEGORIES = [{"id": 18, "name": "dog", "isthing": 1}, {"id": 193, "name": "grass-merged", "isthing": 0}]


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def coco(root, split, numbers):
    info = [{"id": 1, "category_id": 18, "iscrowd": 0}, {"id": 2, "category_id": 193, "iscrowd": 0}]
    annotations = []
    for number in numbers:
        put(root / split / f"{number:012d}.jpg", PHOTO)
        put(
            root / f"annotations/panoptic_{split}/{number:012d}.png",
            png([[[1, 0, 0]] * 2, [[2, 0, 0]] * 2, [[0] * 3] * 2]),
        )
        annotations.append({"image_id": number, "file_name": f"{number:012d}.png", "segments_info": info})
    content = {"images": [{"id": n} for n in numbers], "annotations": annotations, "categories": CATEGORIES}
    put(root / f"annotations/panoptic_{split}.json", content)


def write(root, out):
    return data_trees.write_trees(str(root), str(out / "labelled"), str(out / "benchmarks"))


def test_coco_trains_with_its_captions_and_its_val_split_is_a_benchmark(tmp_path):
    coco(tmp_path / "data", "train2017", [3, 1])
    coco(tmp_path / "data", "val2017", [7])
    captions = [
        {"id": 5, "image_id": 1, "caption": "A dog\n on grass."},
        {"id": 4, "image_id": 1, "caption": "Dog."},
    ]
    put(tmp_path / "data/annotations/captions_train2017.json", {"annotations": captions})
    assert write(tmp_path / "data", tmp_path) == {"labelled": 2, "coco-panoptic": 1}
    samples = [shards.decode_sample(raw) for raw in shards.read_tar(tmp_path / "labelled/L0000.tar")]
    assert [sample.caption for sample in samples] == ["Dog.\nA dog on grass.", ""]
    assert samples[0].segments.names == ["dog, puppy", "grass"]
    benchmark = benchmarks.read(tmp_path / "benchmarks/coco-panoptic")
    assert benchmark.ids == ["000000000007"]
    assert benchmark.names == ["dog, puppy, dogs, puppies", "grass, grasses, lawn, turf"]
    assert benchmark.truth("000000000007", (3, 2))[:, 0].tolist() == [0, 1, 65535]


def test_voc_and_context(tmp_path):
    for year, masks, split in (
        ("VOC2012", "SegmentationClass", "Segmentation"),
        ("VOC2010", "SegmentationClassContext", "SegmentationContext"),
    ):
        put(tmp_path / f"VOCdevkit/{year}/JPEGImages/a.jpg", PHOTO)
        put(tmp_path / f"VOCdevkit/{year}/{masks}/a.png", png([[0, 0], [12, 12], [255, 255]]))
        put(tmp_path / f"VOCdevkit/{year}/ImageSets/{split}/val.txt", b"a\n")
    assert write(tmp_path, tmp_path / "out") == {"labelled": 0, "voc-2012": 1, "context-59": 1}
    voc = benchmarks.read(tmp_path / "out/benchmarks/voc-2012")
    assert voc.truth("a")[:, 0].tolist() == [0, 12, 65535]
    context = benchmarks.read(tmp_path / "out/benchmarks/context-59")
    assert context.truth("a")[:, 0].tolist() == [65535, 11, 65535]  # class 12 of 1..59, counted from 0
    assert (context.names[11], context.kinds[11]) == ("bus", "thing")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ParamError, match=r"web\.folder is .*none of annotations/panoptic_train2017\.json"):
        write(tmp_path, tmp_path / "out")
    coco(tmp_path, "train2017", [1])
    (tmp_path / "train2017/000000000001.jpg").unlink()
    with pytest.raises(ParamError, match=r"train2017/000000000001\.jpg is missing"):
        write(tmp_path, tmp_path / "out")
    put(tmp_path / "annotations/panoptic_train2017.json", b"{")
    with pytest.raises(ParamError, match=r"panoptic_train2017\.json is not valid JSON"):
        write(tmp_path, tmp_path / "out")
    put(tmp_path / "annotations/panoptic_train2017.json", b"[]")
    with pytest.raises(ParamError, match="an annotation file of COCO"):
        write(tmp_path, tmp_path / "out")
