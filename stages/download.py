"""DVC stage `download`: the URL list of the web folder in, canonical shards and the ledger out."""

import argparse
import sys
from pathlib import Path

from ovseg_core import params
from ovseg_core.run_log import RunLog
from pipelines.download import WORK, DownloadSettings, download
from pipelines.fetch import DownloadError
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("web", help="folder with urls.parquet and, for a local site, site.parquet")
    parser.add_argument("--out", required=True, help="folder for the shards and ledger.parquet")
    parser.add_argument("--work", type=Path, default=WORK, help="local folder for what is under way")
    parser.add_argument("--log", help="JSON file for counts and times")
    args = parser.parse_args()

    settings = params.load("params.yaml", "download", DownloadSettings)
    with RunLog("download", args.log) as log:
        log.work_starts()
        try:
            report = download(args.web, args.out, settings, args.work)
        except DownloadError as error:
            sys.exit(f"download: {error}")
        log.startup_s += report.startup_s
        log.items, log.unit = report.fetched, "URLs"
        log.drops.update(report.reasons)
        log.facts = {"rows": report.rows, "images": report.images}


if __name__ == "__main__":
    run(main)
