"""Where Ray runs: a local instance that a stage starts and stops, or the cluster that it was given."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ovseg_core.params import check

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Section `cluster` of params.yaml. On a cluster that is already running only `workers` matters."""

    num_cpus: int | None  # CPUs of the local Ray; null takes all of the machine
    workers: int  # shard workers of the text stages

    def __post_init__(self) -> None:
        check(
            self.num_cpus is None or self.num_cpus > 0,
            "cluster.num_cpus",
            self.num_cpus,
            "at least 1, or null",
        )
        check(self.workers > 0, "cluster.workers", self.workers, "at least 1")


def on_cluster() -> bool:
    """True inside a Ray job or where RAY_ADDRESS names a cluster."""
    return bool(os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_ID"))


@contextmanager
def connect(settings: ClusterSettings) -> Iterator[None]:
    """Ray for the length of the block: joined where a cluster is given, else started here and stopped."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():  # a caller's Ray, as in the tests: theirs to stop
        yield
        return
    # Workers inherit it; naming it in runtime_env instead starts an agent and costs 7 s.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if on_cluster():
        ray.init(address="auto", logging_level=logging.WARNING)
    else:
        # "local": without it Ray joins whatever head node happens to run on this machine
        ray.init("local", num_cpus=settings.num_cpus, include_dashboard=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()
