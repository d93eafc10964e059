"""DVC stage `report`: what every other stage wrote in, one page and one table out."""

import argparse
from pathlib import Path

from ovseg_core import files, params
from ovseg_core.reporting import page
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep
from ovseg_core.run_log import RunLog
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", default=".", help="folder that holds data/, models/, logs/ and reports/runs/"
    )
    parser.add_argument("--out", type=Path, required=True, help="the page, one HTML file")
    parser.add_argument(
        "--comparison", type=Path, required=True, help="the CSV: one row per reading and metric"
    )
    args = parser.parse_args()

    settings = params.load("params.yaml", "report", ReportSettings)
    sweep = Sweep.of(params.read("params.yaml"))
    with RunLog("report", None) as log:
        log.work_starts()
        html, comparison = page.build(Sources(args.root), sweep, settings)
        files.write_bytes(args.comparison, comparison)
        files.write_bytes(args.out, html)
        log.items, log.unit = 1, "page"


if __name__ == "__main__":
    run(main)
