"""Where the data come from: SOURCES by name. A source fills the output folders of the stage `web`."""

from collections.abc import Callable
from dataclasses import astuple

from ovseg_core import files
from ovseg_core.run_log import RunLog
from ovseg_core.web.data_trees import write_trees
from ovseg_core.web.labelled import write_labelled
from ovseg_core.web.list_writer import write_url_list
from ovseg_core.web.photos import write_photos
from ovseg_core.web.settings import WebFolders, WebSettings
from ovseg_core.web.toy import write_toy

Source = Callable[[WebSettings, WebFolders, RunLog], None]


def write_urls(settings: WebSettings, folders: WebFolders, log: RunLog) -> None:
    """A URL list of the user's, with the labelled data and benchmarks of `web.folder` where it is given."""
    assert settings.urls
    log.items = write_url_list(
        settings.urls, settings.format, files.join(folders.web, "urls.parquet"), log.drops
    )
    log.unit = "urls"
    if settings.folder:
        log.facts |= write_trees(settings.folder, folders.labelled, folders.benchmarks)
    else:
        write_labelled(folders.labelled, [])
    about = {"source": "urls", "things": [], "stuff": [], "held_out": []}
    files.write_json(
        files.join(folders.web, "world.json"), {**about, "fingerprint": files.fingerprint(settings)}
    )


SOURCES: dict[str, Source] = {"toy": write_toy, "photos": write_photos, "urls": write_urls}


def write_web(settings: WebSettings, folders: WebFolders, log: RunLog) -> None:
    """Fill the folders from the source of the settings."""
    for folder in astuple(folders):
        files.make_folder(folder)  # DVC wants every output to be there, also an empty one
    for name in ("site.parquet", "urls.parquet", "world.json", "world.png"):
        files.remove(files.join(folders.web, name))
    for path in files.listing(folders.weights, ".safetensors"):
        files.remove(path)
    SOURCES[settings.source](settings, folders, log)
