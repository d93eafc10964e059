"""Where Ray runs: on a cluster that is given, or on this machine, for one stage or for all of them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ovseg_core.params import check

ROOT = Path(__file__).resolve().parent.parent
KEPT = "OVSEG_RAY"  # address of the Ray that `keep` holds for the stages
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_METRICS_ENABLED": "0",  # no dashboard reads them
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # seconds until an end or a death is noticed; 2 by default
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # workers stay where the stage runs, so that relative paths hold
}
LOCAL_ENVIRONMENT = {
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # an actor that waits for nodes to be taken away
    # Of glibc, read by workers as they start: what a step frees stays for the next one, instead of going back
    # to the kernel and coming again page by page.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
}


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Section `cluster` of params.yaml. On a cluster that is already running `num_cpus` does not matter."""

    num_cpus: int | None  # CPUs of the local Ray; null takes all of the machine
    workers: int  # shard workers of the text stages
    trainings: int  # that `ovseg repro` runs at once

    def __post_init__(self) -> None:
        check(
            self.num_cpus is None or self.num_cpus > 0,
            "cluster.num_cpus",
            self.num_cpus,
            "at least 1, or null",
        )
        check(self.workers > 0, "cluster.workers", self.workers, "at least 1")
        check(self.trainings > 0, "cluster.trainings", self.trainings, "at least 1")


def on_cluster() -> bool:
    """True inside a Ray job or where RAY_ADDRESS names a cluster."""
    return bool(os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_ID"))


@contextmanager
def connect(settings: ClusterSettings) -> Iterator[None]:
    """Ray for the length of the block: joined where there is one for this stage, else started and stopped."""
    for name, value in (ENVIRONMENT | ({} if on_cluster() else LOCAL_ENVIRONMENT)).items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():  # a caller's Ray, as in the tests: theirs to stop
        yield
        return
    # Workers inherit it; naming it in runtime_env instead starts an agent and costs 7 s.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if on_cluster():
        ray.init(address="auto", logging_level=logging.WARNING)
    elif KEPT in os.environ:
        ray.init(address=os.environ[KEPT], logging_level=logging.WARNING)
    else:
        # "local": without it Ray joins whatever head node happens to run on this machine
        ray.init("local", num_cpus=settings.num_cpus, include_dashboard=False, logging_level=logging.WARNING)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def keep(settings: ClusterSettings) -> Iterator[None]:
    """A Ray on this machine for all stages that start in the block; each would take seconds for its own."""
    with connect(settings):
        import ray

        os.environ[KEPT] = ray.get_runtime_context().gcs_address
        try:
            yield
        finally:
            del os.environ[KEPT]
