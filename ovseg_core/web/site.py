"""The local site: `site.parquet` served over HTTP on loopback, with the faults of the web.

Columns: `path` (quoted, as in the URL), `kind`, `body` (bytes) or `file` (below the site's folder),
`location` of a redirect, `delay_s` before the answer, `headers` (JSON object). Metadata: port and folder.
The server is a process of its own (`site_process.py`) and ends with its parent.
"""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ovseg_core import files, shards
from ovseg_core.params import ParamError

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
BACKLOG = 1024  # connections that may wait while the process starts
PATIENCE_S = 5.0  # for a port in use: the site of a killed stage may still be on its way out
ROW_GROUP = 1000
STATUS = {"redirect": 302, "not_found": 404, "gone": 410, "server_error": 500}  # every other kind: 200
SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("kind", pa.string()),
        ("body", pa.binary()),
        ("file", pa.string()),
        ("location", pa.string()),
        ("delay_s", pa.float32()),
        ("headers", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the site answers under one path.

    Three kinds misbehave: `closed` hangs up without an answer, `truncated` in the middle of the body, and
    `flaky` answers 503 on the first attempt of `serve` and the body on later ones.
    """

    path: str
    kind: str = "ok"
    body: bytes | None = None
    file: str | None = None
    location: str | None = None
    delay_s: float = 0.0
    headers: str = "{}"


def write_site(path: Path | str, pages: Iterable[Page], port: int, folder: Path | str | None = None) -> None:
    """Write `site.parquet`, in row groups, so that memory does not grow with the site."""
    about = {b"ovseg.port": str(port).encode(), b"ovseg.folder": str(folder or "").encode()}
    schema = SCHEMA.with_metadata({**about, shards.STAMP: b""})
    with files.atomic(path) as handle, pq.ParquetWriter(handle, schema) as writer:
        rows: list[dict] = []
        for page in pages:
            rows.append(asdict(page))
            if len(rows) == ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema))


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes any free one.

    Raises:
        ParamError: when the port stays taken for `PATIENCE_S`.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_server((HOST, port), backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise ParamError(
                    f"web.port is {port}; the local site cannot listen on {HOST}:{port} ({error.strerror}). "
                    "Stop what uses that port, or set web.port and download.allow_private to a free one"
                ) from error
        time.sleep(0.1)


@contextmanager
def serve(web: Path | str, attempt: int = 0, port: int | None = None) -> Iterator[str | None]:
    """The local site of the folder `web` for the length of the block, in a process of its own.

    Yields its base URL (`http://127.0.0.1:8765`), or None where there is no `site.parquet` (`web.source:
    urls`). It listens when the block starts, and ends with the block or with this process, however that dies.

    Args:
        web: output folder of the stage `web`.
        attempt: 0 when the URLs are fetched for the first time; from 1 on, `flaky` pages have recovered. An
            argument and not a counter, so that a killed download which starts again sees the same site.
        port: instead of the one written in `site.parquet`, to which the URLs point; for tests.

    Raises:
        ParamError: when the port is taken; the message names web.port.
    """
    path = files.join(web, "site.parquet")
    if not files.exists(path):
        yield None
        return
    with files.open_read(path) as handle:
        about = pq.read_schema(handle).metadata
    with listen(int(about[b"ovseg.port"]) if port is None else port) as listener:
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        process = _start(path, listener, attempt)
    try:
        yield base
    finally:
        process.kill()
        process.wait()


def _start(path: str, listener: socket.socket, attempt: int) -> subprocess.Popen:
    arguments = [path, str(listener.fileno()), str(attempt), str(os.getpid())]
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "ovseg_core.web.site_process", *arguments],
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
    )
    assert process.stdout
    with process.stdout as output:  # on a busy machine the start can outlast a download's timeout
        if not output.readline():
            raise RuntimeError(f"the local site of {path} did not start (exit code {process.wait()})")
    return process
