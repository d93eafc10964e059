"""`dvc repro` with one Ray for all stages, and with trainings side by side."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from pipelines import cluster
from pipelines.cluster import ClusterSettings

TRAINING = "train@"  # the stages of which several run at once are named so


def dvc(*arguments: str, project: Path | str = ".", **environment: str) -> int:
    """Run one DVC command in `project` with this interpreter, which the stages find first as `python` too."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=project, env={**os.environ, "PATH": path, **environment}).returncode


def reproduce(ray: ClusterSettings, targets: Sequence[str] = ()) -> int:
    """`dvc repro`; its exit status. Ray starts once, and only where a stage has something to do.

    Without targets, `ray.trainings` trainings go at once, each with the evaluations that follow from it.
    """
    if not dvc("status", "--quiet", *targets):
        print("Data and pipelines are up to date.")
        return 0
    with cluster.keep(ray):
        first = [] if targets or ray.trainings == 1 else before_trainings()
        failed = first and (dvc("repro", *first) or side_by_side(branches(), ray.trainings))
        return failed or dvc("repro", *targets)


def before_trainings() -> list[str]:
    """The stages that trainings read."""
    from dvc.repo import Repo

    with Repo() as repo:
        graph = repo.index.graph  # from a stage to those that it reads
        read = {stage.addressing for one in graph if is_training(one) for stage in graph.successors(one)}
    return sorted(read)


def branches() -> list[list[str]]:
    """Of each training that is to run: its name, then the stages that follow from no other one, in order."""
    import networkx
    from dvc.repo import Repo

    with Repo() as repo:
        graph = repo.index.graph
        trainings = [stage for stage in graph if is_training(stage)]
        changed = repo.status([stage.addressing for stage in trainings])
        follows = {stage: networkx.ancestors(graph, stage) for stage in trainings}
        order = list(reversed(list(networkx.topological_sort(graph))))
        alone = [stage for stage in order if sum(stage in found for found in follows.values()) == 1]
    return [
        [training.addressing, *(stage.addressing for stage in alone if stage in follows[training])]
        for training in trainings
        if training.addressing in changed
    ]


def is_training(stage: object) -> bool:
    """Whether a stage of DVC's graph is one."""
    return str(getattr(stage, "addressing", "")).startswith(TRAINING)


def side_by_side(branches: Sequence[Sequence[str]], at_once: int) -> int:
    """Run each branch by a DVC of its own, `at_once` at a time; after a failure none starts. Its exit status.

    DVC locks what stages read and write, and lets go of the project while a command runs.
    """
    failed, lines = Event(), SimpleQueue[int]()
    for line in range(at_once):
        lines.put(line)

    def run(branch: Sequence[str]) -> int:
        if failed.is_set():
            return 0
        line = lines.get()  # of the terminal, for the bars of this branch
        bars = {"TQDM_POSITION": str(line)} if sys.stderr.isatty() else {}
        status = dvc("--wait-for-lock", "repro", "--single-item", *branch, **bars)
        lines.put(line)
        if status:
            failed.set()
        return status

    with ThreadPoolExecutor(at_once) as pool:
        return next(filter(None, pool.map(run, branches)), 0)
