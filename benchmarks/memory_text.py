"""Peak memory of the stages extract and curate over 4 and over 64 shards: it may grow by a tenth.

Usage: `python -m benchmarks.memory_text [--rows 1000] [--few 4] [--many 64]`. Shards hold captions of the toy
world and random hashes; each measurement is a process of its own, and what is compared is its resident peak.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.text import toy_captions
from ovseg_core import shards
from ovseg_core.text.corpus import curate
from ovseg_core.text.extraction import ShardExtractor, table_path
from ovseg_core.text.settings import CurateSettings, ExtractSettings
from ovseg_core.text.sources import Source

EXTRACT = ExtractSettings(model="lexicon", entities="mined", max_caption_chars=1000)
CURATE = CurateSettings(
    filter="noun_adj",
    phrases=True,
    min_documents=10,
    near_duplicates=20,
    require_entity=False,
    most_entities=None,
    partners=4,
    seed=0,
    leak_distance=6,
)
LIMIT = 1.10


def write_shards(folder: Path, number: int, rows: int) -> None:
    """Shards without images: tars are opened only where a hash is near a benchmark image's."""
    for shard in range(number):
        keys = [f"{shard:05d}{row:04d}" for row in range(rows)]
        hashes = np.random.default_rng(shard).integers(0, 2**64, rows, np.uint64)
        columns = {"key": keys, "caption": toy_captions(rows, seed=shard), "phash": hashes}
        shards.write_table(folder / f"{shard:05d}.parquet", pa.table(columns))
        shards.write_tar(folder / f"{shard:05d}.tar", [])


def run_stage(stage: str, folder: Path, number: int) -> None:
    """What one worker of the stage does, in this process; prints its peak in MB."""
    paths = shards.list_shards(folder)[:number]
    text = folder / "text"
    if stage == "extract":
        worker = ShardExtractor(EXTRACT, str(text), {shards.name_of(path): "made" for path in paths})
        for path in paths:
            worker(path)
    else:
        sources = [Source(path, table_path(text, shards.name_of(path)), False) for path in paths]
        curate(sources, folder / "ledger.parquet", folder / "benchmarks", folder / "corpus", CURATE)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(stage: str, folder: Path, number: int) -> float:
    """Peak in MB of a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory_text", "--stage", stage, "--folder", str(folder)]
    done = subprocess.run([*command, "--many", str(number)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000, help="per shard")
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--stage", choices=["extract", "curate"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        return run_stage(args.stage, args.folder, args.many)
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), args.many, args.rows)
        for stage in ("extract", "curate"):
            many, few = (measure(stage, Path(folder), number) for number in (args.many, args.few))
            verdict = "flat" if many / few <= LIMIT else "GROWS"
            print(f"{stage}: {few:.0f} MB over {args.few} shards, {many:.0f} MB over {args.many}")
            print(f"{stage}: ratio {many / few:.3f}, {verdict}")


if __name__ == "__main__":
    main()
