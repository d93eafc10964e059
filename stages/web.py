"""DVC stage `web`: URLs with captions, the local site behind them, the labelled set and the benchmarks."""

import argparse
from pathlib import Path

from ovseg_core import params
from ovseg_core.run_log import RunLog
from ovseg_core.web.settings import WebFolders, WebSettings
from ovseg_core.web.sources import write_web
from stages import run, warn_if_unwatched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder for urls.parquet and the local site")
    parser.add_argument("--labelled", required=True, help="folder for the labelled shards")
    parser.add_argument("--benchmarks", required=True, help="folder for the benchmarks")
    parser.add_argument("--weights", required=True, help="folder for weights that come with the source")
    parser.add_argument("--log", type=Path, help="JSON file named in dvc.yaml")
    args = parser.parse_args()

    settings = params.load("params.yaml", "web", WebSettings)
    if settings.source == "urls" and settings.urls:
        warn_if_unwatched("web", "web.urls", settings.urls, "lists/urls")
    folders = WebFolders(args.out, args.labelled, args.benchmarks, args.weights)
    with RunLog("web", args.log) as log:
        log.work_starts()
        write_web(settings, folders, log)


if __name__ == "__main__":
    run(main)
