"""COCO panoptic predictions beside their truth, checked before they are scored."""

from pathlib import Path
from typing import Any

from PIL import Image

from ovseg_core.evaluation.score_error import ScoreError, is_id, read_json, read_truth, refuse, repeated


def png_folder(path: Path) -> Path:
    """Where the PNGs of a panoptic JSON lie: in the folder of its name without `.json` (panopticapi)."""
    folder = path.with_suffix("")
    if not folder.is_dir():
        raise ScoreError(
            f"{folder} is missing: the PNGs of {path} lie in the folder of its name without .json"
        )
    return folder


def read_panoptic(predictions: Path, truth: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read and check both JSON files and the headers of their PNGs; pixels are checked as they are scored.

    Raises:
        ScoreError: naming the file and the first entries at fault.
    """
    known = read_truth(truth)
    kindless = [entry["id"] for entry in known["categories"] if entry.get("isthing") not in (0, 1)]
    refuse(kindless, truth, "categories without isthing of 0 or 1")
    found = read_json(predictions)
    if not isinstance(found, dict) or not isinstance(found.get("annotations"), list):
        raise ScoreError(f"{predictions} has no list of annotations, as COCO panoptic predictions do")
    if not found["annotations"]:
        raise ScoreError(f"{predictions} holds no prediction")
    check_truth(known, truth)
    _check_entries(found, predictions)
    _check_images(known, found, predictions)
    _check_pngs(known, truth, found, predictions)
    return known, found


def check_truth(known: dict[str, Any], path: Path) -> None:
    """Raise ScoreError for images or segments that lack what they need, come twice, or are not listed."""
    _check_entries(known, path)
    images, categories = ({entry["id"] for entry in known[part]} for part in ("images", "categories"))
    astray = [entry["image_id"] for entry in known["annotations"] if entry["image_id"] not in images]
    refuse(astray, path, "annotations of images that it does not list")
    segments = [(e["image_id"], s) for e in known["annotations"] for s in e["segments_info"]]
    strange = [(image, s["id"]) for image, s in segments if s["category_id"] not in categories]
    refuse(strange, path, "segments (image, id) of unknown categories")
    if not segments:
        raise ScoreError(f"{path} has no segment; there is nothing to score against")


def _check_entries(content: dict[str, Any], path: Path) -> None:
    entries = content["annotations"]
    whole = [
        isinstance(entry, dict)
        and isinstance(entry.get("file_name"), str)
        and "image_id" in entry
        and isinstance(entry.get("segments_info"), list)
        and all(map(_is_segment, entry["segments_info"]))
        for entry in entries
    ]
    text = "entries without image_id, file_name or segments_info of whole numbers id and category_id"
    refuse([number for number, sound in enumerate(whole) if not sound], path, text)
    refuse(repeated(entry["image_id"] for entry in entries), path, "images that come more than once")
    twice = [entry["image_id"] for entry in entries if repeated(s["id"] for s in entry["segments_info"])]
    refuse(twice, path, "images in which a segment's id comes more than once")


def _is_segment(value: Any) -> bool:
    return isinstance(value, dict) and is_id(value.get("id")) and is_id(value.get("category_id"))


def _check_images(known: dict[str, Any], found: dict[str, Any], path: Path) -> None:
    wanted = [entry["image_id"] for entry in known["annotations"]]
    given = [entry["image_id"] for entry in found["annotations"]]
    there, asked = set(given), set(wanted)
    refuse([key for key in given if key not in asked], path, "images that the truth does not have")
    refuse([key for key in wanted if key not in there], path, "images of the truth without a prediction")


def _check_pngs(known: dict[str, Any], truth: Path, found: dict[str, Any], predictions: Path) -> None:
    sizes: dict[int, tuple[int, int]] = {}
    for content, path in ((known, truth), (found, predictions)):
        folder = png_folder(path)
        for entry in content["annotations"]:
            size = png_size(folder / entry["file_name"])
            if sizes.setdefault(entry["image_id"], size) != size:
                width, height = sizes[entry["image_id"]]
                told = f"has {size[0]}x{size[1]} pixels and its truth {width}x{height}"
                raise ScoreError(f"{folder / entry['file_name']} {told}")


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a panoptic PNG, from its header.

    Raises:
        ScoreError: when it is missing, unreadable or not in colour.
    """
    try:
        with Image.open(path) as image:  # the header alone
            if image.mode not in ("RGB", "RGBA"):
                raise ScoreError(f"{path} is a {image.mode} image; a panoptic PNG has its ids in R, G and B")
            return image.size
    except FileNotFoundError as error:
        raise ScoreError(f"{path} is missing") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ScoreError(f"{path} cannot be read as a PNG: {error}") from error
