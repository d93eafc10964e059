"""Inside a Ray job: run the graph in the uploaded copy, then push what it made to the DVC remote.

Ends with the exit status of `dvc repro`; what finished before a failure is pushed all the same.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from ovseg_core import files

REMOTE = "ovseg-results"  # name of the remote on both sides, kept in .dvc/config.local


def dvc(*arguments: str, check: bool = True) -> int:
    """Run one DVC command with this interpreter; its output goes where ours goes."""
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], check=check).returncode


def use_remote(url: str) -> None:
    """Name the DVC remote that carries results between the job and the user's checkout."""
    dvc("remote", "add", "--quiet", "--local", "--force", REMOTE, url)


def lock_url(remote: str, job: str) -> str:
    """Where the job leaves its dvc.lock."""
    return files.join(remote, "jobs", job, "dvc.lock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remote", required=True, help="URL or path that the job and the user both reach")
    parser.add_argument("--job", required=True, help="name of this job, for its dvc.lock")
    args = parser.parse_args()

    use_remote(args.remote)
    if Path("dvc.lock").exists():  # what an earlier job or the user has pushed need not be made again
        dvc("pull", "--quiet", "--remote", REMOTE, "--allow-missing", "--force", check=False)
    status = dvc("repro", check=False)
    if Path("dvc.lock").exists():
        dvc("push", "--quiet", "--remote", REMOTE, "--run-cache", check=False)
        files.write_bytes(lock_url(args.remote, args.job), Path("dvc.lock").read_bytes())
    sys.exit(status)


if __name__ == "__main__":
    main()
