"""`dvc repro` with one Ray for all stages, and with trainings side by side."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Event

from ovseg_core import files
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
    if not dvc("status", "--quiet", *(["--with-deps", *targets] if targets else [])):
        print("Data and pipelines are up to date.")
        return 0
    with cluster.keep(ray):
        failed = 0 if targets or ray.trainings == 1 else trainings_first(ray.trainings)
        return failed or dvc("repro", *targets)


def trainings_first(at_once: int) -> int:
    """Run what trainings read, then several trainings at a time; the exit status of what failed, else 0.

    What is left, and what DVC cannot read, is for the `dvc repro` that follows.
    """
    from dvc.exceptions import DvcException

    try:
        first = read_by_trainings()
        failed = dvc("repro", *sorted(first)) if first else 0
        found = [] if failed else branches()
    except DvcException:
        return 0
    return failed or (side_by_side(found, at_once) if len(found) > 1 else 0)


def read_by_trainings() -> set[str]:
    """The stages that trainings read."""
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo:
        graph = repo.index.graph  # from a stage to those that it reads
        return {stage.addressing for one in graph if is_training(one) for stage in graph.successors(one)}


def branches() -> list[list[str]]:
    """Of each training that is to run: its name, then the stages that follow from no other one, in order."""
    import networkx
    from dvc.repo import Repo

    with Repo(_wait_for_lock=True) as repo:
        graph = repo.index.graph
        trainings = [stage for stage in graph if is_training(stage)]
        changed = repo.status([stage.addressing for stage in trainings])
        follows = {stage: networkx.ancestors(graph, stage) for stage in trainings}
        order = list(reversed(list(networkx.topological_sort(graph))))
        alone = [stage for stage in order if sum(stage in found for found in follows.values()) == 1]
    return [
        [training.addressing, *(stage.addressing for stage in alone if stage in follows[training])]
        for training in trainings
        if training.addressing in changed and not starts_from_a_run(training.addressing)
    ]


def is_training(stage: object) -> bool:
    """Whether a stage of DVC's graph is one."""
    return str(getattr(stage, "addressing", "")).startswith(TRAINING)


def starts_from_a_run(training: str) -> bool:
    """Whether a training reads the model of another one (`train.start`): it keeps its place in the graph."""
    from pipelines.settings import TEACHER_MODEL

    run = training.removeprefix(TRAINING).rpartition("-")[0]
    file = Path("data/runs") / run / "train.json"
    start = files.read_json(file)["train"]["start"] if file.exists() else None
    return bool(start) and str(start).startswith("models/") and start != TEACHER_MODEL


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
