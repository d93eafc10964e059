"""Real photos as a data source: Flickr8k served, COCO as labelled set, COCO and VOC as benchmarks."""

import csv
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.web import photo_sets
from ovseg_core.web.labelled import write_labelled
from ovseg_core.web.settings import WebFolders, WebSettings
from ovseg_core.web.site import HOST, Page, write_site

CAPTIONS = "flickr8k/captions.csv"
PHOTOS = "flickr8k/images"
LICENCE = "Flickr8k: research, non-commercial"
WEIGHTS = "weights/mobilenetv2_100_imagenet_fp16.safetensors"  # of the frozen backbone
NEEDED = [CAPTIONS, PHOTOS, *photo_sets.NEEDED, WEIGHTS]


def write_photos(settings: WebSettings, folders: WebFolders, log: RunLog) -> None:
    """The source `photos` of the stage `web`."""
    folder, out = checked(settings.folder), folders.web
    captions = read_captions(folder / CAPTIONS)
    write_site(files.join(out, "site.parquet"), _pages(captions), settings.port, folder)
    rows = [
        {
            "url": f"http://{HOST}:{settings.port}{_path(name)}",
            "caption": "\n".join(texts),
            "licence": LICENCE,
            "source": "flickr8k",
        }
        for name, texts in captions.items()
    ]
    shards.write_table(files.join(out, "urls.parquet"), pa.Table.from_pylist(rows))
    coco = photo_sets.Coco(folder)
    num_labelled = write_labelled(folders.labelled, coco.labelled(log.drops))
    photo_sets.write_benchmarks(folder, coco, folders.benchmarks)
    files.write_bytes(files.join(folders.weights, Path(WEIGHTS).name), (folder / WEIGHTS).read_bytes())
    classes = {"things": coco.names_of("thing"), "stuff": coco.names_of("stuff")}
    about = {"source": "photos", **classes, "held_out": []}
    files.write_json(files.join(out, "world.json"), {**about, "fingerprint": files.fingerprint(settings)})
    log.items, log.unit = len(rows) + num_labelled, "photos"
    log.facts |= {"urls": len(rows), "labelled": num_labelled}


def checked(given: str | None) -> Path:
    """The folder of photos.

    Raises:
        ParamError: naming the first file that it lacks.
    """
    folder = Path(given or "")
    for name in NEEDED:
        if not (folder / name).exists():
            raise ParamError(
                f"web.folder is {given!r}, and {folder / name} is missing; source photos reads "
                f"{', '.join(NEEDED)}"
            )
    return folder


def read_captions(path: Path) -> dict[str, list[str]]:
    """Captions by file name, in the order of the file, from a CSV with the columns `image, caption`.

    Raises:
        ParamError: when a column is missing.
    """
    captions: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", errors="replace", newline="") as handle:
        lines = csv.DictReader(handle)
        if not {"image", "caption"} <= set(lines.fieldnames or []):
            raise ParamError(f"{path} has the columns {lines.fieldnames}; image and caption are needed")
        for line in lines:
            text = " ".join((line["caption"] or "").split())
            if line["image"] and text:
                captions.setdefault(line["image"], []).append(text)
    return captions


def _path(name: str) -> str:
    return f"/{quote(f'{PHOTOS}/{name}')}"


def _pages(captions: dict[str, list[str]]) -> Iterator[Page]:
    for name in captions:
        yield Page(path=_path(name), file=f"{PHOTOS}/{name}")
