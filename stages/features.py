"""DVC stage `features`: shards in, cached maps of a frozen backbone out; an empty folder where it trains."""

import argparse
import sys
from pathlib import Path

from ovseg_core import params
from ovseg_core.run_log import RunLog
from ovseg_core.training.settings import FeatureSettings
from pipelines.cluster import ClusterSettings
from pipelines.features import cache_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", nargs="+", help="folders of shards")
    parser.add_argument("--out", required=True, help="folder of one file per shard")
    parser.add_argument("--log", type=Path, required=True, help="JSON of counts and times")
    args = parser.parse_args()

    settings = params.load("params.yaml", "features", FeatureSettings)
    image = params.read("params.yaml")["model"]["image"]
    ray = params.load("params.yaml", "cluster", ClusterSettings)
    with RunLog("features", args.log) as log:
        try:
            cache_features(settings, image, args.shards, args.out, ray, log)
        except params.ParamError as error:
            sys.exit(f"features: {error}")


if __name__ == "__main__":
    main()
