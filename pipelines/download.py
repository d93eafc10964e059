"""From a URL list to canonical shards and a ledger: what the stage and `ovseg retry` call."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.download_job import DownloadSettings, Job, Report
from pipelines.fetch import DownloadError

WORK = Path("work/download")


def download(web: Path | str, out: Path | str, settings: DownloadSettings, work: Path = WORK) -> Report:
    """Fetch what is not there yet, or with `settings.retry` the failed rows of a complete download.

    Args:
        web: folder with `urls.parquet`, and `site.parquet` where the site is a local one.
        out: folder of the shards and the ledger, local or an fsspec URL.
        work: local folder for what is under way; it is emptied in the end.

    Raises:
        DownloadError: when shards are missing in the end, or more than `max_failed` of the rows have no
            image. What was fetched stays, and a rerun continues.
    """
    with alone(work):
        job = Job(web, out, settings, work)
        if not job.is_complete():
            job.fetch_all()
        elif settings.retry:
            job.fetch_failed()
        job.tidy()
        return job.report()


def retry_failed(web: Path | str, out: Path | str, settings: DownloadSettings, work: Path = WORK) -> Report:
    """Fetch the failed rows of a complete download once more; finished shards stay as they are.

    Raises:
        DownloadError: as `download`, and when there is no complete download of this list with these settings.
    """
    with alone(work):
        job = Job(web, out, settings, work)
        if not job.is_complete():
            raise DownloadError(
                f"{out} holds no complete download of {web} with the settings given: run it first"
            )
        job.fetch_failed()
        job.tidy()
        return job.report()


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Keep a second download out of the working folder."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(f"another download is at work in {work}; wait for it, or end it") from error
        yield
