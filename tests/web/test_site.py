import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from ovseg_core.params import ParamError
from ovseg_core.web import site
from ovseg_core.web.site import Page

BODY = b"\xff\xd8" + bytes(1000)


def make(web, pages, folder=None):
    site.write_site(web / "site.parquet", pages, port=0, folder=folder)
    return web


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read(), dict(answer.headers)


def test_pages_are_answered_by_kind(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b c.jpg").write_bytes(b"photo")
    pages = [
        Page(path="/a.jpg", body=BODY, headers='{"X-Robots-Tag": "noai"}'),
        Page(path="/b%20c.jpg", file="b c.jpg"),
        Page(path="/moved.jpg", kind="redirect", location="/a.jpg"),
        Page(path="/page.jpg", kind="html", body=b"<html>"),
        Page(path="/late.jpg", body=BODY, delay_s=0.3),
    ]
    with site.serve(make(tmp_path, pages, folder=tmp_path / "photos")) as base:
        status, body, headers = fetch(f"{base}/a.jpg?width=3")
        assert (status, body) == (200, BODY)
        assert (headers["Content-Type"], headers["X-Robots-Tag"]) == ("image/jpeg", "noai")
        assert fetch(f"{base}/b%20c.jpg")[1] == b"photo"
        assert fetch(f"{base}/moved.jpg")[1] == BODY
        assert fetch(f"{base}/page.jpg")[2]["Content-Type"] == "text/html"
        started = time.perf_counter()
        assert fetch(f"{base}/late.jpg")[1] == BODY
        assert time.perf_counter() - started >= 0.3


def test_faults_of_the_web(tmp_path):
    kinds = ["not_found", "gone", "server_error", "closed", "truncated"]
    pages = [Page(path=f"/{kind}", kind=kind, body=BODY) for kind in kinds]
    with site.serve(make(tmp_path, pages)) as base:
        for kind, code in [("not_found", 404), ("gone", 410), ("server_error", 500), ("no-such-page", 404)]:
            with pytest.raises(urllib.error.HTTPError) as caught:
                fetch(f"{base}/{kind}")
            assert caught.value.code == code
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
            fetch(f"{base}/closed")
        with pytest.raises(http.client.IncompleteRead) as cut:
            fetch(f"{base}/truncated")
        assert cut.value.partial == BODY[: len(BODY) // 2]


def test_a_flaky_page_recovers_on_the_next_attempt(tmp_path):
    make(tmp_path, [Page(path="/a.jpg", kind="flaky", body=BODY)])
    with site.serve(tmp_path) as base:
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="503"):
                fetch(f"{base}/a.jpg")
    with site.serve(tmp_path, attempt=1) as base:
        assert fetch(f"{base}/a.jpg")[1] == BODY


def test_a_taken_port_is_named(tmp_path, monkeypatch):
    make(tmp_path, [])
    monkeypatch.setattr(site, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ParamError, match=rf"web\.port is {port}"), site.serve(tmp_path, port=port):
            pass


def test_a_port_that_comes_free_is_waited_for(tmp_path):
    """A killed stage's site ends half a second after it; a rerun must not fail on that."""
    make(tmp_path, [])
    other = socket.create_server(("127.0.0.1", 0))
    threading.Timer(0.5, other.close).start()
    with site.serve(tmp_path, port=other.getsockname()[1]) as base:
        assert base


def test_port_is_free_again_after_the_block(tmp_path):
    make(tmp_path, [])
    with site.serve(tmp_path) as base:
        port = int(base.rsplit(":", 1)[1])
    with site.serve(tmp_path, port=port):
        pass


def test_without_a_site_there_is_nothing_to_serve(tmp_path):
    with site.serve(tmp_path) as base:
        assert base is None


def test_garbage_gets_an_error_and_the_site_lives_on(tmp_path):
    with site.serve(make(tmp_path, [Page(path="/a.jpg", body=BODY)])) as base:
        port = int(base.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"\x00\x01 nonsense\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        assert fetch(f"{base}/a.jpg")[1] == BODY


def test_the_site_dies_with_its_parent(tmp_path):
    make(tmp_path, [])
    program = (
        "import sys, time; from ovseg_core.web import site\n"
        "with site.serve(sys.argv[1]) as base: print(base, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=site.ROOT
    ) as parent:
        base = parent.stdout.readline().strip()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"{base}/x")
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(50):
        try:
            fetch(f"{base}/x")
        except urllib.error.HTTPError:
            time.sleep(0.1)
        except urllib.error.URLError:
            return
    pytest.fail("the site still answers 5 s after its parent was killed")


def test_many_clients_at_once(tmp_path):
    make(tmp_path, [Page(path=f"/{i}", body=b"%d" % i) for i in range(200)])
    with site.serve(tmp_path) as base, ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda i: fetch(f"{base}/{i}")[1], range(200)))
    assert bodies == [b"%d" % i for i in range(200)]
