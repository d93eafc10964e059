"""The process behind `site.serve`: an event loop that answers HTTP requests from memory.

Usage: `python -m ovseg_core.web.site_process SITE_PARQUET LISTENING_FD ATTEMPT PARENT_PID`.
"""

import asyncio
import json
import os
import socket
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ovseg_core import files, shards
from ovseg_core.web.site import STATUS

MAX_REQUEST = 65536  # bytes of a request's head
PARENT_CHECK_S = 0.5
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Site:
    """The pages by path, and how each is answered."""

    def __init__(self, path: str, attempt: int) -> None:
        with files.open_read(path) as handle:
            table = shards.open_parquet(handle).read()
        self.folder = Path(table.schema.metadata[b"ovseg.folder"].decode() or ".")
        self.pages: dict[str, dict[str, Any]] = {page["path"]: page for page in table.to_pylist()}
        self.attempt = attempt

    def answer(self, path: str, keep_alive: bool) -> tuple[bytes, bytes, dict[str, Any]]:
        """Head and body of the answer to one path, and its page."""
        page = self.pages.get(path) or {"kind": "not_found"}
        status = STATUS.get(page["kind"], 200)
        if page["kind"] == "flaky" and self.attempt == 0:
            status = 503
        body = self.body(page) if status == 200 else HTTPStatus(status).phrase.encode()
        headers = {
            "Content-Type": "text/html" if status != 200 or page["kind"] == "html" else "image/jpeg",
            "Content-Length": len(body),
            "Connection": "keep-alive" if keep_alive else "close",
            **json.loads(page.get("headers") or "{}"),
        }
        if status == 302:
            headers["Location"] = page["location"]
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{k}: {v}" for k, v in headers.items()),
            "\r\n",
        ]
        return "\r\n".join(lines).encode(), body, page

    def body(self, page: dict[str, Any]) -> bytes:
        if page.get("file"):
            return (self.folder / page["file"]).read_bytes()
        return page["body"] or b""


class Connection(asyncio.Protocol):
    """One client; requests of a kept-alive connection are answered one after another."""

    def __init__(self, site: Site) -> None:
        self.site, self.received = site, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self.request(head.decode("latin-1"))
        if len(self.received) > MAX_REQUEST:
            self.transport.abort()

    def request(self, head: str) -> None:
        """Answer one request, after the delay of its page."""
        words = head.partition("\r\n")[0].split(" ")
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self.transport.close()
            return
        keep_alive = words[2] == "HTTP/1.1" and "connection: close" not in head.lower()
        answer, body, page = self.site.answer(words[1].partition("?")[0], keep_alive)
        if words[0] == "HEAD":
            body = b""
        loop = asyncio.get_running_loop()
        loop.call_later(page.get("delay_s") or 0, self.send, answer, body, page["kind"], keep_alive)

    def send(self, head: bytes, body: bytes, kind: str, keep_alive: bool) -> None:
        if kind == "closed":
            self.transport.abort()
            return
        if kind == "truncated":
            body, keep_alive = body[: len(body) // 2], False
        self.transport.write(head + body)
        if not keep_alive:
            self.transport.close()


async def run(path: str, descriptor: int, attempt: int, parent: int) -> None:
    """Serve until the parent is gone: polled, because a forked child of it may hold any pipe open."""
    site = Site(path, attempt)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Connection(site), sock=socket.socket(fileno=descriptor))
    print("ready", flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_S)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], *map(int, sys.argv[2:5])))
