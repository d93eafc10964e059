"""DVC stage `extract`: shards in; their nouns, adjectives, verbs and noun phrases out, a table per shard."""

import argparse
import sys

from ovseg_core import params
from ovseg_core.run_log import RunLog
from ovseg_core.text.entity_sets import MINED, NAMED
from ovseg_core.text.settings import ExtractSettings
from pipelines.cluster import ClusterSettings
from pipelines.text import extract
from stages import run, warn_if_unwatched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", nargs="+", help="folders with shards")
    parser.add_argument("--out", required=True, help="folder for {shard}.parquet")
    parser.add_argument("--log", help="JSON file for counts and times")
    args = parser.parse_args()

    settings = params.load("params.yaml", "extract", ExtractSettings)
    cluster = params.load("params.yaml", "cluster", ClusterSettings)
    if settings.entities != MINED and settings.entities not in NAMED:
        warn_if_unwatched("extract", "extract.entities", settings.entities, "lists/entities")
    with RunLog("extract", args.log) as log:
        try:
            result = extract(args.shards, args.out, settings, cluster, log)
        except ValueError as error:
            sys.exit(f"extract: {error}")
        log.items, log.unit = result.captions, "captions"
        log.drops = result.drops
        log.facts = {"shards": result.shards, "shards_done_before": result.done_before}


if __name__ == "__main__":
    run(main)
