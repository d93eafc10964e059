"""DVC stage `curate`: shards and their words in; samples, vocabulary, entities, funnel and leak check out."""

import argparse
import sys

from ovseg_core import files, params, shards
from ovseg_core.run_log import RunLog
from ovseg_core.text.corpus import curate
from ovseg_core.text.settings import CurateSettings
from ovseg_core.text.sources import Source
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", help="folder with shards and ledger.parquet")
    parser.add_argument("labelled", help="folder with labelled shards")
    parser.add_argument("--text", required=True, help="folder that the extract stage wrote")
    parser.add_argument("--benchmarks", required=True, help="folder whose images may not be trained on")
    parser.add_argument("--out", required=True, help="folder for the corpus")
    parser.add_argument("--log", help="JSON file for counts and times")
    args = parser.parse_args()

    settings = params.load("params.yaml", "curate", CurateSettings)
    sources = [
        Source(path, files.join(args.text, f"{shards.name_of(path)}.parquet"), folder == args.labelled)
        for folder in (args.shards, args.labelled)
        for path in shards.list_shards(folder)
    ]
    with RunLog("curate", args.log) as log:
        log.work_starts()
        ledger = files.join(args.shards, "ledger.parquet")
        try:
            funnel = curate(sources, ledger, args.benchmarks, args.out, settings)
        except ValueError as error:
            sys.exit(f"curate: {error}")
        steps = [*funnel["steps"], funnel["labelled"]]
        log.items, log.unit = steps[0]["in"] + funnel["labelled"]["in"], "rows"
        for step in steps:
            log.drops.update(step["drops"])
        log.facts = {"samples": funnel["steps"][-1]["out"], "labelled_samples": funnel["labelled"]["out"]}


if __name__ == "__main__":
    run(main)
