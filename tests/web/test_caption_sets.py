import json
from collections import Counter

import pytest

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.web import readers
from ovseg_core.web.list_writer import write_url_list

COCO = {
    "licenses": [{"id": 1, "name": "Attribution License"}],
    "images": [
        {"id": 9, "file_name": "000000000009.jpg", "coco_url": "http://images/9.jpg", "license": 1},
        {"id": 25, "file_name": "000000000025.jpg", "license": 7},
        {"id": 30, "file_name": "000000000030.jpg", "license": 1},
    ],
    "annotations": [
        {"image_id": 9, "id": 1, "caption": "Two cats.\n"},
        {"image_id": 25, "id": 2, "caption": "A dog."},
        {"image_id": 9, "id": 3, "caption": "Cats on a mat."},
        {"image_id": 77, "id": 4, "caption": "No image."},
    ],
}


def convert(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    counts = Counter()
    write_url_list(str(path), "auto", path.parent / "urls.parquet", counts)
    return shards.read_table(path.parent / "urls.parquet").to_pylist(), dict(counts)


def test_coco_has_a_row_per_image_with_a_line_per_caption(tmp_path):
    rows, counts = convert(tmp_path / "captions_train2017.json", COCO)
    assert [row["url"] for row in rows] == [
        "http://images/9.jpg",
        "http://images.cocodataset.org/train2017/000000000025.jpg",
    ]
    assert rows[0]["caption"] == "Two cats.\nCats on a mat."
    assert [(row["licence"], row["source"], row["image_id"]) for row in rows] == [
        ("Attribution License", "coco", "9"),
        ("", "coco", "25"),
    ]
    assert counts == {"no_caption": 1, "caption_without_image": 1}


def test_coco_2014_names_its_split(tmp_path):
    images = [{"id": 1, "file_name": "COCO_val2014_000000000001.jpg"}]
    rows, _ = convert(
        tmp_path / "a.json", {"images": images, "annotations": [{"image_id": 1, "caption": "x"}]}
    )
    assert rows[0]["url"] == "http://images.cocodataset.org/val2014/COCO_val2014_000000000001.jpg"


def test_redcaps(tmp_path):
    annotations = [
        {
            "image_id": "4kz1x",
            "author": "someone",
            "url": "https://i.redd.it/a.jpg",
            "raw_caption": "My CAT!!",
            "caption": "my cat",
            "subreddit": "cats",
            "score": 12,
        },
        {"image_id": "2", "url": "https://i.redd.it/b.jpg", "raw_caption": "Dog", "subreddit": "dogs"},
        {"image_id": "3", "url": None, "caption": "gone", "subreddit": "dogs"},
    ]
    rows, counts = convert(tmp_path / "cats_2017.json", {"info": {}, "annotations": annotations})
    assert [(r["url"], r["caption"], r["source"]) for r in rows] == [
        ("https://i.redd.it/a.jpg", "my cat", "redcaps/cats"),
        ("https://i.redd.it/b.jpg", "Dog", "redcaps/dogs"),
    ]
    assert (rows[0]["author"], rows[1]["author"]) == ("someone", None)
    assert counts == {"no_url": 1}


def test_localized_narratives(tmp_path):
    items = [
        ("mscoco_val2017", "137576"),
        ("open_images_train_v6", "000c4d66ce89aa69"),
        ("Flickr30k_train", "1000092795"),
        ("ADE20k_train", "ADE_train_00000001"),
        ("mscoco_train2017", "../x"),
    ]
    lines = [
        json.dumps({"dataset_id": d, "image_id": i, "caption": "In this image", "traces": []})
        for d, i in items
    ]
    path = tmp_path / "narratives.jsonl"
    rows, counts = convert(path, "\n".join([*lines, "broken"]))
    assert readers.detect(str(path)) == "localized_narratives"
    assert [row["url"] for row in rows] == [
        "http://images.cocodataset.org/val2017/000000137576.jpg",
        "https://open-images-dataset.s3.amazonaws.com/train/000c4d66ce89aa69.jpg",
    ]
    assert rows[0]["source"] == "localized_narratives/mscoco_val2017"
    assert counts == {"no_url": 3, "malformed_line": 1}


def test_json_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ParamError, match="keys info; a list 'annotations' is missing"):
        convert(tmp_path / "a.json", {"info": {}})
    with pytest.raises(ParamError, match="holds a JSON list"):
        convert(tmp_path / "a.json", "[]")
