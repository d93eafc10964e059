"""DVC stage `resolve`: params.yaml in, checked; out, for every run what it trains with and how it is read."""

import argparse
from pathlib import Path

from ovseg_core import files, params
from pipelines import settings
from stages import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for {run}/train.json and evaluate.json"
    )
    args = parser.parse_args()

    # overwritten where a teacher is trained
    files.write_json(args.out / settings.TEACHER / "train.json", {"run": settings.TEACHER, "method": None})
    for name, resolved in settings.resolve(params.read("params.yaml")).items():
        files.write_json(args.out / name / "train.json", resolved.train)
        files.write_json(args.out / name / "evaluate.json", resolved.evaluate)
        if resolved.label:
            files.write_json(args.out / name / "label.json", resolved.label)


if __name__ == "__main__":
    run(main)
