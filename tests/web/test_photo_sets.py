import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovseg_core import shards
from ovseg_core.benchmarks import class_names, coco_masks
from ovseg_core.benchmarks import folder as benchmarks
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.web import photo_sets, photos, site, sources, voc_photos
from ovseg_core.web.faults import jpeg
from ovseg_core.web.settings import ToySettings, WebFolders, WebSettings

TOY = ToySettings(scenes=1, labelled=0.0, side=16, val_scenes=1, test_scenes=1, held_out_scenes=0)
IDS = [9, 25, 30, 34]  # 9 and 30 are labelled data, 25 and 34 the benchmark
PERSON, DOG, GRASS = 1, 18, 193
CATEGORIES = [
    {"id": PERSON, "name": "person", "isthing": 1},
    {"id": DOG, "name": "dog", "isthing": 1},
    {"id": 21, "name": "cow", "isthing": 1},
    {"id": GRASS, "name": "grass-merged", "isthing": 0},
]
LICENCES = [{"id": 4, "name": "Attribution License"}]


def photo(number):
    return jpeg(np.full((6, 4, 3), number, np.uint8))


def panoptic_png():
    """(6, 4): two rows of segment 1 (a dog), two of 256 + 2 (grass), two unannotated."""
    pixels = np.zeros((6, 4, 3), np.uint8)
    pixels[:2] = [1, 0, 0]
    pixels[2:4] = [2, 1, 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


INFO = [{"id": 1, "category_id": DOG, "iscrowd": 0}, {"id": 258, "category_id": GRASS, "iscrowd": 0}]


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    put(
        root / "flickr8k/captions.csv",
        b'image,caption\na b.jpg,A dog .\nc.jpg,"Two, dogs"\na b.jpg, A  puppy .\n',
    )
    put(root / "flickr8k/images/a b.jpg", photo(1))
    put(root / "flickr8k/images/c.jpg", photo(2))
    put(root / photos.WEIGHTS, b"weights")
    for number in IDS:
        put(root / photo_sets.PANOPTIC / f"{number:012d}.png", panoptic_png())
        put(root / photo_sets.PANOPTIC_PHOTOS / f"{number:012d}.jpg", photo(number))
    annotations = [{"image_id": n, "file_name": f"{n:012d}.png", "segments_info": INFO} for n in IDS[::-1]]
    images = [{"id": n, "license": 4} for n in IDS]
    panoptic = {"images": images, "annotations": annotations, "categories": CATEGORIES, "licenses": LICENCES}
    put(root / f"{photo_sets.PANOPTIC}.json", panoptic)
    # 100 has a box, 101 has the bytes of a benchmark photo, 25 its id, 102 no instance
    instances = []
    for number, content in ((100, photo(100)), (101, photo(34)), (25, photo(99)), (102, photo(102))):
        put(root / photo_sets.INSTANCE_PHOTOS / f"{number}.jpg", content)
        instances.append({"id": number, "file_name": f"{number}.jpg", "height": 6, "width": 4, "license": 4})
    square = {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "category_id": DOG, "iscrowd": 0, "area": 4}
    boxes = [{**square, "id": n, "image_id": n} for n in (100, 101, 25)]
    put(
        root / photo_sets.INSTANCES,
        {"images": instances, "annotations": boxes, "categories": CATEGORIES, "licenses": LICENCES},
    )
    for name in ("2007_1", "2007_2"):
        put(root / photo_sets.VOC_PHOTOS / f"{name}.jpg", photo(7))
        mask = io.BytesIO()
        Image.fromarray(np.repeat(np.array([[0], [12], [255], [0], [0], [12]], np.uint8), 4, 1)).save(
            mask, "PNG"
        )
        put(root / photo_sets.VOC_MASKS / f"{name}.png", mask.getvalue())
    put(root / photo_sets.VOC_MASKS / "2007_without_photo.png", b"")
    return root


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    settings = WebSettings(
        source="photos", seed=0, port=8799, folder=str(folder), urls=None, format="auto", toy=TOY
    )
    with RunLog("web", out / "log.json") as log:
        names = ("web", "labelled", "benchmarks", "weights")
        sources.write_web(settings, WebFolders(*(str(out / name) for name in names)), log)
    return out


def test_a_photo_is_one_url_with_a_line_per_caption(made):
    rows = shards.read_table(made / "web/urls.parquet").to_pylist()
    base = "http://127.0.0.1:8799/flickr8k/images"
    assert [(row["url"], row["caption"]) for row in rows] == [
        (f"{base}/a%20b.jpg", "A dog .\nA puppy ."),
        (f"{base}/c.jpg", "Two, dogs"),
    ]
    assert rows[0]["source"] == "flickr8k"


def test_weights_of_the_backbone_come_along(made):
    assert (made / "weights" / Path(photos.WEIGHTS).name).read_bytes() == b"weights"


def test_photos_are_served_from_the_folder(made):
    import urllib.request

    with site.serve(made / "web", port=0) as base:
        answer = urllib.request.urlopen(f"{base}/flickr8k/images/a%20b.jpg", timeout=10).read()
    assert answer == photo(1)


def test_labelled_photos_are_none_of_the_benchmark(made):
    table = shards.read_table(made / "labelled/L0000.parquet").to_pylist()
    assert [row["source"] for row in table] == ["coco_panoptic", "coco_panoptic", "coco_instances"]
    samples = [shards.decode_sample(raw) for raw in shards.read_tar(made / "labelled/L0000.tar")]
    assert [int(sample.image[0, 0, 0]) for sample in samples] == [9, 30, 100]
    assert samples[0].segments.names == ["dog, puppy", "grass"]
    assert samples[0].segments.ids[:, 0].tolist() == [1, 1, 2, 2, 0, 0]
    assert samples[2].segments.names == ["dog, puppy"]
    assert samples[2].segments.ids.sum() == 4
    assert {row["licence"] for row in table} == {"Attribution License"}
    assert benchmarks.read(made / "benchmarks/coco-photos").ids == ["000000000025", "000000000034"]
    log = json.loads((made / "log.json").read_text())
    assert log["drops"] == {"in_benchmark": 2, "no_segments": 1}


def test_coco_benchmark_has_the_classes_of_its_photos(made):
    benchmark = benchmarks.read(made / "benchmarks/coco-photos")
    assert (benchmark.names, benchmark.kinds) == (["dog, puppy", "grass"], ["thing", "stuff"])
    assert benchmark.truth("000000000025", (6, 4))[:, 0].tolist() == [0, 0, 1, 1, 65535, 65535]
    world = json.loads((made / "web/world.json").read_text())
    assert (world["things"], world["stuff"]) == (["dog"], ["grass"])


def test_voc_benchmark_has_openseg_rule_for_the_background(made):
    benchmark = benchmarks.read(made / "benchmarks/voc-photos")
    assert benchmark.ids == ["2007_1", "2007_2"]
    assert len(benchmark.names) == 21
    assert benchmark.background.index == 0
    assert len(benchmark.background.names) == 39
    assert benchmark.truth("2007_1")[:, 0].tolist() == [0, 12, 65535, 0, 0, 12]
    assert benchmark.subsets["frequent"] == []  # nothing is in 16 photos
    assert len(benchmark.subsets["animals_people"]) == 7


def test_frequent_classes_are_the_eight_in_most_photos(tmp_path):
    for number in range(
        20
    ):  # classes 1-9 in 20 photos, class 10 in 15: 8 of the 9 are kept, the first by order
        put(tmp_path / photo_sets.VOC_PHOTOS / f"{number}.jpg", photo(1))
        mask = io.BytesIO()
        classes = np.arange(1, 10 if number >= 15 else 11, dtype=np.uint8)
        Image.fromarray(classes[None]).save(mask, "PNG")
        put(tmp_path / photo_sets.VOC_MASKS / f"{number}.png", mask.getvalue())
    folders = tmp_path / photo_sets.VOC_PHOTOS, tmp_path / photo_sets.VOC_MASKS
    assert voc_photos.voc_photos(*folders).subsets["frequent"] == list(range(1, 9))


def test_a_missing_file_is_named(folder, tmp_path):
    with pytest.raises(ParamError, match=r"web\.folder is .*flickr8k/captions\.csv is missing"):
        photos.checked(str(tmp_path))
    (tmp_path / "flickr8k").symlink_to(folder / "flickr8k")
    with pytest.raises(ParamError, match=r"panoptic_train2017\.json is missing"):
        photos.checked(str(tmp_path))
    put(tmp_path / "captions.csv", b"photo,text\nx,y\n")
    with pytest.raises(ParamError, match=r"\['photo', 'text'\]; image and caption are needed"):
        photos.read_captions(tmp_path / "captions.csv")


def test_panoptic_ids_are_base_256():
    assert np.unique(coco_masks.panoptic_ids(panoptic_png())).tolist() == [0, 1, 258]


def test_a_crowd_is_no_segment_but_has_a_class():
    info = [INFO[0], {**INFO[1], "iscrowd": 1}]
    segments = coco_masks.panoptic_segments(panoptic_png(), info, {DOG: "dog", GRASS: "grass"})
    assert segments.names == ["dog"]
    assert segments.ids[:, 0].tolist() == [1, 1, 0, 0, 0, 0]
    classes = coco_masks.panoptic_classes(panoptic_png(), info, {DOG: 4, GRASS: 2})
    assert classes[:, 0].tolist() == [4, 4, 2, 2, -1, -1]


def test_small_instances_lie_on_large_ones():
    large = {"segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "category_id": 1, "iscrowd": 0, "area": 16, "id": 7}
    small = {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "category_id": 2, "iscrowd": 0, "area": 4, "id": 5}
    hidden = {**small, "area": 4.5, "id": 6}  # the same pixels, drawn before `small`
    crowd = {
        "segmentation": {"counts": [0, 16], "size": [4, 4]},
        "category_id": 1,
        "iscrowd": 1,
        "area": 16,
        "id": 8,
    }
    segments = coco_masks.instance_segments([small, large, hidden, crowd], 4, 4, {1: "person", 2: "dog"})
    assert segments.names == ["person", "dog"]
    assert segments.ids.tolist() == [[2, 2, 1, 1], [2, 2, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("coco", "words"),
    [
        ("sky-other-merged", "sky"),
        ("wall-brick", "brick wall"),
        ("window-blind", "window blind"),
        ("water-other", "water"),
        ("mirror-stuff", "mirror"),
        ("door-stuff", "door"),
        ("tree-merged", "tree"),
        ("table-merged", "table, desk"),
        ("floor-wood", "wooden floor, wood floor"),
        ("hot dog", "hot dog"),
    ],
)
def test_names_of_coco_as_words(coco, words):
    assert class_names.coco(coco) == words


def test_no_synonym_stands_for_two_classes():
    for names in (class_names.VOC, list(class_names.COCO_SYNONYMS.values())):
        spoken = [word.strip() for name in names for word in name.split(",")]
        assert len(spoken) == len(set(spoken))
    assert not {w.strip() for n in class_names.VOC[1:] for w in n.split(",")} & set(
        class_names.CONTEXT_BACKGROUND
    )
    assert len(set(class_names.CONTEXT_BACKGROUND)) == 39


def test_context_is_voc_and_its_background():
    def spoken(names):
        return {word.strip() for name in names for word in name.split(",")}

    assert len(class_names.CONTEXT) == 59
    assert spoken(class_names.CONTEXT) == spoken(class_names.VOC[1:] + class_names.CONTEXT_BACKGROUND) - {
        "dining table"
    }
    assert set(class_names.CONTEXT) >= class_names.CONTEXT_STUFF
