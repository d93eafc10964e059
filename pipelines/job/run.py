"""Inside a Ray job: run the graph in the uploaded copy, then push what it made to the DVC remote.

Ends with the exit status of `ovseg repro`; what finished before a failure is pushed all the same.
"""

import argparse
import sys
from pathlib import Path

from ovseg_core import files, params
from pipelines import repro
from pipelines.cluster import ClusterSettings
from pipelines.repro import dvc

REMOTE = "ovseg-results"  # name of the remote on both sides, kept in .dvc/config.local


def use_remote(url: str, project: Path | str = ".") -> None:
    """Name the DVC remote that carries results between the job and the user's checkout.

    Raises:
        OSError: when DVC cannot write its settings.
    """
    if dvc("remote", "add", "--quiet", "--local", "--force", REMOTE, url, project=project):
        raise OSError(f"DVC does not take {url} as a remote")


def lock_url(remote: str, job: str) -> str:
    """Where the job leaves its dvc.lock."""
    return files.join(remote, "jobs", job, "dvc.lock")


def try_remote(remote: str, job: str) -> None:
    """Write a first file to the remote: better refused now than after hours of work.

    Raises:
        OSError: when it cannot be written from here, with the reason.
    """
    try:
        files.write_bytes(files.join(remote, "jobs", job, "started"), b"")
    except (ImportError, ValueError, OSError) as error:
        raise OSError(f"--remote is {remote!r}, which cannot be written from here: {error}") from error


def reproduce(remote: str, job: str) -> int:
    """`ovseg repro`, then all that dvc.lock names to the remote, and last dvc.lock; the exit status."""
    try_remote(remote, job)
    use_remote(remote)
    if Path("dvc.lock").exists():  # what an earlier job or the user has pushed need not be made again
        dvc("pull", "--quiet", "--remote", REMOTE, "--allow-missing", "--force")
    status = repro.reproduce(params.load("params.yaml", "cluster", ClusterSettings))
    if Path("dvc.lock").exists():
        pushed = dvc("push", "--quiet", "--remote", REMOTE, "--run-cache")
        files.write_bytes(lock_url(remote, job), Path("dvc.lock").read_bytes())
        status = status or pushed
    return status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remote", required=True, help="URL or path that the job and the user both reach")
    parser.add_argument("--job", required=True, help="name of this job, for its dvc.lock")
    args = parser.parse_args()
    try:
        sys.exit(reproduce(args.remote, args.job))
    except (OSError, ValueError) as error:  # of the remote, of params.yaml
        sys.exit(f"job: {error}")


if __name__ == "__main__":
    main()
