"""Captions to words: Ray workers hold a spaCy pipeline each, a shard is a task."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ovseg_core import files, shards
from ovseg_core.run_log import RunLog
from ovseg_core.text.extraction import ShardExtractor, counts_of, fingerprint, table_path
from ovseg_core.text.settings import ExtractSettings
from pipelines.cluster import ClusterSettings, connect
from pipelines.shard_map import ActorResources, map_shards

logger = logging.getLogger(__name__)


@dataclass
class Extraction:
    """What became of the shards."""

    shards: int = 0
    done_before: int = 0  # shards whose table was there, made of the same captions by the same code
    captions: int = 0  # read in this run
    drops: Counter[str] = field(default_factory=Counter)  # over all tables, those of earlier runs among them


def extract(
    folders: Sequence[str], out: str, settings: ExtractSettings, cluster: ClusterSettings, log: RunLog
) -> Extraction:
    """Write `out/{shard}.parquet` for every shard of `folders`; what is up to date there stays.

    Raises:
        ValueError: when two folders hold shards of one name, or no shard can be read.
    """
    paths = shards.list_shards(*folders)
    names = [shards.name_of(path) for path in paths]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(
            f"{', '.join(map(str, folders))} hold shards of the same name: {', '.join(twice[:5])}"
        )
    files.sweep(out)
    for stale in set(files.listing(out, ".parquet")) - {table_path(out, name) for name in names}:
        files.remove(stale)
    stamps = {name: fingerprint(path, settings) for name, path in zip(names, paths, strict=True)}
    pending = [
        path
        for name, path in zip(names, paths, strict=True)
        if shards.stamp_of(table_path(out, name)) != stamps[name]
    ]
    result = Extraction(shards=len(paths), done_before=len(paths) - len(pending))
    reports = _run(pending, partial(ShardExtractor, settings, out, stamps), cluster, log)
    files.sweep(out)  # what a worker that was killed left
    result.captions = sum(report.get("captions", 0) for report in reports)
    result.drops = _drops(names, out, reports)
    if paths and result.drops["unreadable_shard"] == len(paths):
        raise ValueError(f"none of the {len(paths)} shards in {', '.join(folders)} can be read")
    return result


def _run(
    pending: list[str], make_worker: partial[ShardExtractor], cluster: ClusterSettings, log: RunLog
) -> list[dict[str, int]]:
    if not pending:  # nothing to do is no reason to start Ray
        log.work_starts()
        return []
    with connect(cluster):
        log.work_starts()
        return map_shards(make_worker, pending, ActorResources(actors=cluster.workers), "extract")


def _drops(names: list[str], out: str, reports: list[dict[str, int]]) -> Counter[str]:
    """Counts over all tables, so that the log says the same whether a run was interrupted or not."""
    total: Counter[str] = Counter()
    for name in names:
        if files.exists(path := table_path(out, name)):
            total.update(counts_of(path))
    total["unreadable_shard"] = sum(report.get("unreadable_shard", 0) for report in reports)
    del total["captions"]
    return +total
