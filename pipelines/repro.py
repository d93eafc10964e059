"""`dvc repro` with one Ray for all stages."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines import cluster
from pipelines.cluster import ClusterSettings


def dvc(*arguments: str, project: Path | str = ".") -> int:
    """Run one DVC command in `project` with this interpreter, which the stages find first as `python` too."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=project, env={**os.environ, "PATH": path}).returncode


def reproduce(ray: ClusterSettings, targets: Sequence[str] = ()) -> int:
    """`dvc repro`; its exit status. Ray starts once, and only where a stage has something to do."""
    if not dvc("status", "--quiet", *targets):
        print("Data and pipelines are up to date.")
        return 0
    with cluster.keep(ray):
        return dvc("repro", *targets)
