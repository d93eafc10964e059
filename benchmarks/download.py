"""The stage `download` beside img2dataset alone, on the same local site with the same settings.

Usage: `python -m benchmarks.download [data/web] [--rounds 2]`, in the folder of params.yaml. The two take
turns, and each run starts from nothing. The stage adds the guard, canonical shards with hashes, the ledger.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ovseg_core import files, params, shards
from ovseg_core.web import site
from pipelines.download import DownloadSettings, download

ALONE = """
import json, sys, img2dataset
if __name__ == "__main__":
    img2dataset.download(**json.loads(open(sys.argv[1]).read()))
"""


def img2dataset_alone(web: Path, folder: Path, settings: DownloadSettings) -> float:
    """Seconds of img2dataset as one calls it, from start to end."""
    program, order = folder / "alone.py", folder / "order.json"
    program.write_text(ALONE)
    own = {"url_list": str(web / "urls.parquet"), "output_folder": str(folder / "out")}
    given = {"caption_col": "caption", "save_additional_columns": None}
    files.write_json(order, {**settings.tool(), **given, **own})
    with site.serve(web), (folder / "log").open("wb") as log:
        started = time.perf_counter()
        environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
        subprocess.run([sys.executable, program, order], check=True, stdout=log, stderr=log, env=environment)
        return time.perf_counter() - started


def stage(web: Path, folder: Path, settings: DownloadSettings) -> float:
    """Seconds of our download, from start to end, the site's start included."""
    started = time.perf_counter()
    download(web, folder / "out", settings, folder / "work")
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("web", type=Path, nargs="?", default=Path("data/web"))
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    settings = replace(params.load("params.yaml", "download", DownloadSettings), retry=False)
    seconds: dict[str, list[float]] = {"img2dataset alone": [], "stage": []}
    for _ in range(args.rounds):
        for name, run in zip(seconds, (img2dataset_alone, stage), strict=True):
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(run(args.web.absolute(), Path(folder), settings))
    rows = shards.read_table(args.web / "urls.parquet", ["url"]).num_rows
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        each = ", ".join(f"{s:.1f}" for s in taken)
        print(f"{name:18} {middle:6.1f} s  {rows / middle:6.0f} URLs/s  ({each})")
    alone, ours = (statistics.median(taken) for taken in seconds.values())
    print(f"{'speed of the stage':18} {alone / ours:6.2f} of img2dataset alone")


if __name__ == "__main__":
    main()
