"""`ovseg submit`: the same graph as a job on a Ray cluster, and its results back in this checkout."""

import asyncio
import logging
import os
import shlex
import sys
import uuid
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ovseg_core import files
from pipelines import recipe as recipes
from pipelines.job.run import REMOTE, dvc, lock_url, try_remote, use_remote

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
RUNTIME_ENV = ROOT / "pipelines" / "job" / "runtime-env.yaml"
LOOPBACK = ("://127.", "://localhost", "://[::1]")
OUTCOME = {  # job succeeded, results came back
    (True, True): "its results are here and `dvc repro` has nothing left to compute",
    (False, True): "what it finished is here; `dvc repro` goes on from there, `ovseg submit` on the cluster",
    (True, False): "its results did not come back: does the cluster reach the same --remote?",
    (False, False): "nothing came back. Was `ray start` called with this project's environment active on "
    "every node (`source .venv/bin/activate`), and does the cluster reach the same --remote?",
}


def submit(address: str, recipe: str | None = None, remote: str | None = None) -> int:
    """Run `dvc repro` on the cluster behind `address`; 0 when the job and the way back went well.

    The project is uploaded without git's history, caches and data; results come back through a DVC
    remote that both sides reach, so that `dvc repro` here has nothing left to compute.

    Raises:
        ValueError: when no remote is named and the cluster is not on this machine.
        ConnectionError: when no job server answers, or it asks for a token that this side does not have.
        OSError: when the remote cannot be written from here.
    """
    if remote is None:
        if not any(local in address for local in LOOPBACK):
            raise ValueError(
                f"--remote is not given; a cluster at {address} needs a DVC remote that it reaches, as s3://..."
            )
        remote = str(ROOT / "work" / "remote")
    remote, job = files.absolute(remote), f"ovseg-{uuid.uuid4().hex[:8]}"
    client = connect(address)
    try_remote(remote, job)
    if recipe:  # here too: `dvc repro` on this side asks for what the job has made
        print("\n".join(recipes.apply([recipes.load(recipe)], ROOT / "params.yaml")))
    client.submit_job(
        submission_id=job,
        entrypoint=shlex.join(["python", "-m", "pipelines.job.run", "--remote", remote, "--job", job]),
        runtime_env={**YAML(typ="safe").load(RUNTIME_ENV), "working_dir": str(ROOT)},
    )
    logger.info("job %s runs on %s", job, address)
    status = asyncio.run(follow(client, job))
    came = bring_back(remote, job)
    logger.info("job %s: %s; %s", job, status.lower(), OUTCOME[status == "SUCCEEDED", came])
    return 0 if status == "SUCCEEDED" and came else 1


def connect(address: str) -> Any:
    """A client of the cluster's job server, with the token that `ray start` on this side would use."""
    if "RAY_AUTH_MODE" not in os.environ and has_token():
        os.environ["RAY_AUTH_MODE"] = (
            "token"  # before ray loads; unlike `ray start`, the client does not look
        )
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, RayError) as error:
        raise ConnectionError(
            f"no Ray job server that lets us in at {address}: {str(error).splitlines()[0]} "
            "Is `ray start --head` running there, with the same token on both sides (RAY_AUTH_TOKEN_PATH)? "
            "RAY_AUTH_MODE=disabled on both sides switches tokens off."
        ) from error


def has_token() -> bool:
    """Whether Ray would find a token here: in its two variables or its file."""
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


async def follow(client: Any, job: str) -> str:
    """Print the job's output as it comes; returns its last status."""
    async for lines in client.tail_job_logs(job):
        sys.stdout.write(lines)
        sys.stdout.flush()
    return str(client.get_job_status(job).value)


def bring_back(remote: str, job: str, project: Path = ROOT) -> bool:
    """Take the job's dvc.lock and the outputs that it names; False when something did not come."""
    if not files.exists(lock_url(remote, job)):
        return False
    use_remote(remote, project)
    files.write_bytes(project / "dvc.lock", files.read_bytes(lock_url(remote, job)))
    return not dvc("pull", "--remote", REMOTE, "--run-cache", "--allow-missing", "--force", project=project)
