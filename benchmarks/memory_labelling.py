"""Peak memory of the stage pseudo_label over 4 and over 64 shards: it may grow by a tenth.

Usage: `python -m benchmarks.memory_labelling [--rows 200] [--few 4] [--many 64]`. Each measurement is a
process of its own that does what one actor does; what is compared is its resident peak.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.labelling import ROOT, save_teacher
from benchmarks.memory_text import LIMIT
from benchmarks.toy_corpus import make_corpus
from ovseg_core import params
from pipelines import settings as sections
from pipelines.labeller import Labeller, LabelSettings
from pipelines.labelling import make_job


def label_shards(root: Path, number: int, values: dict) -> None:
    """Label the first shards in this process; prints its peak in MB."""
    teacher, settings = values["teachers"]["masks"], {**values["pseudo_label"], "num_cpus": 1}
    built = params.build(settings, "pseudo_label", LabelSettings)
    job = make_job(
        teacher, root / "teacher", root / "shards", root / "features", root / f"masks{number}", built
    )
    worker = Labeller(job)
    for shard in list(job.stamps)[:number]:
        worker(shard)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(root: Path, number: int) -> float:
    """Peak in MB of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory_labelling", "--folder", str(root)]
    done = subprocess.run([*command, "--many", str(number)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200, help="per shard")
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()

    values = params.read(ROOT / "params.yaml")
    if args.folder:
        return label_shards(args.folder, args.many, values)
    with tempfile.TemporaryDirectory() as folder:
        root = make_corpus(Path(folder), args.many * args.rows, 0, args.rows)
        save_teacher(root / "teacher", sections.resolve(values)["teacher"].train)
        many, few = (measure(root, number) for number in (args.many, args.few))
    verdict = "flat" if many / few <= LIMIT else "GROWS"
    print(f"pseudo_label: {few:.0f} MB over {args.few} shards, {many:.0f} MB over {args.many}")
    print(f"pseudo_label: ratio {many / few:.3f}, {verdict}")


if __name__ == "__main__":
    main()
