"""Bounds on what a server may send, in the process in which img2dataset runs."""

import http.client
import io
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from pipelines import fetch_child


def answer(listener: socket.socket, head: bytes) -> None:
    """Send `head`, then a byte at a time, forever: no timeout of a socket notices."""
    client, _ = listener.accept()
    client.recv(1000)
    try:
        client.sendall(head)
        while True:
            client.sendall(b"x")
            time.sleep(0.05)
    except OSError:
        client.close()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
def test_an_answer_that_trickles_is_given_up(monkeypatch, head):
    monkeypatch.setattr(http.client.HTTPConnection, "response_class", http.client.HTTPResponse)
    fetch_child.bound_answers(0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=[listener, b"HTTP/1.1 200 OK\r\n" + head], daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises((TimeoutError, OSError), match="took too long"):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).read()
        assert 0.3 <= time.monotonic() - started < 3


def test_an_answer_that_is_too_large_is_given_up():
    stream = io.BufferedReader(fetch_child.BoundedStream(io.BytesIO(b"x" * 1000), seconds=5, max_bytes=999))
    with pytest.raises(ValueError, match="too large"):
        stream.read()
    stream = io.BufferedReader(fetch_child.BoundedStream(io.BytesIO(b"x" * 1000), seconds=5, max_bytes=1000))
    assert stream.read() == b"x" * 1000


def test_requests_are_counted_also_when_they_fail(monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", urllib.request.urlopen)  # put back after the test
    fetch_child.count_requests(tmp_path)
    for _ in range(3):
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen("http://127.0.0.1:1/", timeout=1)
    (beats,) = tmp_path.iterdir()
    assert beats.read_bytes() == b"..."
