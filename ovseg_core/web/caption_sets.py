"""Public caption sets: COCO captions, RedCaps, Localized Narratives, as rows with url and caption."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from ovseg_core.params import ParamError

Row = dict[str, Any]
COCO_URL = "http://images.cocodataset.org/{split}/{name}"
OPEN_IMAGES_URL = "https://open-images-dataset.s3.amazonaws.com/{split}/{name}.jpg"


def coco(path: str, content: dict[str, Any], counts: Counter[str]) -> Iterator[Row]:
    """COCO captions (`captions_train2017.json`): one row per image, fetched once for its five captions."""
    images, annotations = _lists(path, content, "images", "annotations")
    licences = {item.get("id"): item.get("name", "") for item in content.get("licenses", [])}
    captions: dict[Any, list[Any]] = {}
    for annotation in annotations:
        captions.setdefault(annotation.get("image_id"), []).append(annotation.get("caption"))
    for image in images:
        yield {
            "url": image.get("coco_url") or _coco_url(path, str(image.get("file_name", ""))),
            "caption": captions.pop(image.get("id"), None),
            "licence": licences.get(image.get("license"), ""),
            "source": "coco",
            "image_id": str(image.get("id")),
        }
    if captions:
        counts["caption_without_image"] += sum(map(len, captions.values()))


def _coco_url(path: str, name: str) -> str | None:
    """Images of 2014 name the split (`COCO_val2014_000000391895.jpg`); for 2017 the annotation file does."""
    for split in ("train2014", "val2014", "train2017", "val2017"):
        if split in name or split in PurePath(path).name:
            return COCO_URL.format(split=split, name=name)
    return None


def redcaps(path: str, content: dict[str, Any], counts: Counter[str]) -> Iterator[Row]:
    """RedCaps (`cats_2017.json`): a caption is the cleaned one, where there is one."""
    (annotations,) = _lists(path, content, "annotations")
    for annotation in annotations:
        yield {
            "url": annotation.get("url"),
            "caption": annotation.get("caption") or annotation.get("raw_caption"),
            "licence": "",
            "source": f"redcaps/{annotation.get('subreddit', '')}",
            "image_id": str(annotation.get("image_id")),
            "author": annotation.get("author"),
        }


def localized_narratives(path: str, objects: Iterable[Row], counts: Counter[str]) -> Iterator[Row]:
    """Localized Narratives: images of COCO and Open Images have public URLs, others are counted as `no_url`.

    A Flickr30k id lacks the secret that its URL holds, and ADE20K images have none.
    """
    for item in objects:
        data_set, image = str(item.get("dataset_id", "")), str(item.get("image_id", ""))
        url = _narrated_url(data_set, image)
        if url is None:
            counts["no_url"] += 1
            continue
        yield {
            "url": url,
            "caption": item.get("caption"),
            "licence": "",
            "source": f"localized_narratives/{data_set}",
            "image_id": image,
        }


def _narrated_url(data_set: str, image: str) -> str | None:
    known, _, split = data_set.partition("_")
    if known == "mscoco" and image.isdigit():  # mscoco_train2017, mscoco_val2017
        return COCO_URL.format(split=split, name=f"{int(image):012d}.jpg")
    if data_set.startswith("open_images_") and image.isalnum():  # open_images_train_v6
        return OPEN_IMAGES_URL.format(split=data_set.split("_")[2], name=image)
    return None


def _lists(path: str, content: dict[str, Any], *names: str) -> list[list[Row]]:
    for name in names:
        if not isinstance(content.get(name), list):
            raise ParamError(
                f"web.urls: {path} has the keys {', '.join(sorted(content))}; a list {name!r} is missing"
            )
    return [[item for item in content[name] if isinstance(item, dict)] for name in names]
