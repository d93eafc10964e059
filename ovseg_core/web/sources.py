"""Where the data come from: SOURCES by name. A source fills the three output folders of the stage `web`."""

from collections.abc import Callable
from pathlib import Path

from ovseg_core import files
from ovseg_core.run_log import RunLog
from ovseg_core.web.data_trees import write_trees
from ovseg_core.web.labelled import write_labelled
from ovseg_core.web.list_writer import write_url_list
from ovseg_core.web.photos import write_photos
from ovseg_core.web.settings import WebSettings
from ovseg_core.web.toy import write_toy

Source = Callable[[WebSettings, str, str, str, RunLog], None]


def write_urls(settings: WebSettings, out: str, labelled: str, benchmarks: str, log: RunLog) -> None:
    """A URL list of the user's, with the labelled data and benchmarks of `web.folder` where it is given."""
    assert settings.urls
    log.items = write_url_list(settings.urls, settings.format, files.join(out, "urls.parquet"), log.drops)
    log.unit = "urls"
    if settings.folder:
        log.facts |= write_trees(settings.folder, labelled, benchmarks)
    else:
        write_labelled(labelled, [])
    about = {"source": "urls", "things": [], "stuff": [], "held_out": []}
    files.write_json(files.join(out, "world.json"), {**about, "fingerprint": files.fingerprint(settings)})


SOURCES: dict[str, Source] = {"toy": write_toy, "photos": write_photos, "urls": write_urls}


def write_web(
    settings: WebSettings, out: Path | str, labelled: Path | str, benchmarks: Path | str, log: RunLog
) -> None:
    """Fill `out` (URLs, local site), `labelled` (shards) and `benchmarks` from the source of the settings."""
    for folder in (out, labelled, benchmarks):
        files.make_folder(folder)  # DVC wants every output to be there, also an empty one
    for name in ("site.parquet", "urls.parquet", "world.json", "world.png"):
        files.remove(files.join(out, name))
    SOURCES[settings.source](settings, str(out), str(labelled), str(benchmarks), log)
