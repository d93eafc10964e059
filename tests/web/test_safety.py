import socket
import urllib.error
import urllib.request

import pytest

from ovseg_core.params import ParamError
from ovseg_core.web import safety

PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # the metadata service of clouds
    "100.64.0.1",  # carrier-grade NAT
    "0.0.0.0",
    "224.0.0.1",  # multicast
    "240.0.0.1",  # reserved
    "255.255.255.255",
    "192.0.2.1",  # documentation
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",  # IPv4 mapped
    "::ffff:10.0.0.1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "64:ff9b::a00:1",  # NAT64 of 10.0.0.1
    "2001:db8::1",
]
PUBLIC = [
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address):
    assert safety.is_private(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert not safety.is_private(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg",
        "http://127.1/a.jpg",
        "http://2130706433/a.jpg",
        "http://0x7f.0.0.1/a.jpg",
        "http://[::1]/a.jpg",
        "http://[::ffff:10.0.0.1]/a.jpg",
        "http://user:password@10.1.2.3:80/a.jpg",
        "http://localhost/a.jpg",
        "file:///etc/passwd",
        "ftp://8.8.8.8/a.jpg",
        "http:///a.jpg",
        "no url",
        "http://[::1/a.jpg",
        "http://8.8.8.8:port/a.jpg",
    ],
)
def test_refused_urls(url):
    with pytest.raises(safety.PrivateAddress):
        safety.refuse_private(url)


def test_allowed_urls():
    allow = safety.parse_allow(["127.0.0.1:8765", "[::1]:80", "LocalHost:81"])
    safety.refuse_private("http://8.8.8.8/a.jpg")
    safety.refuse_private("https://8.8.8.8/a.jpg")
    safety.refuse_private("http://127.0.0.1:8765/a.jpg", allow)
    safety.refuse_private("http://[::1]/a.jpg", allow)
    safety.refuse_private("http://localhost:81/a.jpg", allow)
    with pytest.raises(safety.PrivateAddress, match=r"127\.0\.0\.1:8766.*download\.allow_private"):
        safety.refuse_private("http://127.0.0.1:8766/a.jpg", allow)
    with pytest.raises(safety.PrivateAddress):  # port 443 of an address that is allowed on port 80
        safety.refuse_private("https://[::1]/a.jpg", allow)


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:http", ":80", ""])
def test_bad_allow_entries_name_the_key(entry):
    with pytest.raises(ParamError, match=r"download\.allow_private"):
        safety.parse_allow([entry])


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
    safety.remove_guard()


def test_guard_stops_a_connection_that_no_url_check_saw(listener):
    safety.install_guard([])
    with pytest.raises(safety.PrivateAddress):
        socket.create_connection(("127.0.0.1", listener))
    with pytest.raises(safety.PrivateAddress):  # resolved inside connect
        socket.socket().connect(("localhost", listener))
    with pytest.raises(safety.PrivateAddress):
        socket.socket().connect_ex(("127.0.0.1", listener))
    with pytest.raises((urllib.error.URLError, PermissionError)):
        urllib.request.urlopen(f"http://127.0.0.1:{listener}/", timeout=2)


def test_guard_lets_the_allowed_port_and_unix_sockets_through(listener, tmp_path):
    safety.install_guard([f"127.0.0.1:{listener}"])
    socket.create_connection(("127.0.0.1", listener)).close()
    with pytest.raises(safety.PrivateAddress):
        socket.create_connection(("127.0.0.1", listener + 1 if listener < 65535 else 1))
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        client.connect(str(tmp_path / "socket"))


def test_guard_connects_to_the_address_that_it_checked(listener, monkeypatch):
    # A name server that answers with a public address first and with ours afterwards (DNS rebinding).
    real = socket.getaddrinfo
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def rebinding(host, *args, **kwargs):
        return real(next(answers) if host == "rebind.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    safety.install_guard([])
    safety.refuse_private("http://rebind.example/a.jpg")  # the first answer passes
    with pytest.raises(safety.PrivateAddress):
        socket.create_connection(("rebind.example", listener))


def test_a_name_is_resolved_once_for_check_and_connection(listener, monkeypatch):
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: real("127.0.0.1" if host == "x.example" else host, *a, **k),
    )
    safety.install_guard([f"127.0.0.1:{listener}"])
    with socket.socket() as client:  # resolving the name a second time, below Python, would fail
        client.connect(("x.example", listener))
