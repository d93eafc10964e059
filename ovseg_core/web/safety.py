"""Which addresses may be reached: a URL list comes from strangers and must not read our network.

Names are judged by the address that they resolve to, at the moment of connecting: a redirect or a name
server that changes its answer (DNS rebinding) meets the same check as the first URL did.
"""

import ipaddress
import socket
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from ovseg_core.params import check

SCHEMES = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv6 addresses that a translator turns into IPv4
INTERNET = (socket.AF_INET, socket.AF_INET6)
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


class PrivateAddress(PermissionError):
    """A URL that leads to this machine, its network or nowhere public."""


def parse_allow(entries: Sequence[str], key: str = "download.allow_private") -> frozenset[tuple[str, int]]:
    """`["127.0.0.1:8765", "[::1]:80"]` -> {(host, port)}; ParamError names `key` for anything else."""
    pairs = set()
    for entry in entries:
        host, _, port = str(entry).rpartition(":")
        check(bool(host) and port.isdigit(), key, entry, "host:port, as in 127.0.0.1:8765 or [::1]:8765")
        pairs.add((host.strip("[]").lower(), int(port)))
    return frozenset(pairs)


def is_private(address: str) -> bool:
    """True for an IP address that is not public: loopback, private, link-local, multicast, reserved, ...

    IPv4 inside IPv6 (mapped, 6to4, Teredo, NAT64) is judged as the IPv4 address it leads to.

    Raises:
        ValueError: when `address` is a name; `addresses_of` resolves names.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return not ip.is_global or ip.is_multicast or ip.is_reserved


def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses of a host; odd spellings (`2130706433`, `0x7f.1`) become what a client would reach.

    Raises:
        OSError: when the name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(info[4][0]) for info in found})


def refuse_private(url: str, allow: Collection[tuple[str, int]] = ()) -> None:
    """Raise PrivateAddress unless `url` is http(s) and leads to public addresses or to one in `allow`.

    Raises:
        PrivateAddress: also for other schemes (`file:`, `ftp:`) and URLs without a host.
        OSError: when the name does not resolve.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or SCHEMES.get(parts.scheme, 0)
    except ValueError as error:
        raise PrivateAddress(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in SCHEMES or not host:
        raise PrivateAddress(f"{url!r}: only http and https URLs with a host are fetched")
    if (host, port) not in allow:
        refuse_addresses(addresses_of(host, port), host, port, allow)


def refuse_addresses(
    addresses: Sequence[str], host: str, port: int, allow: Collection[tuple[str, int]]
) -> None:
    """Raise PrivateAddress if one of the addresses of `host` is private and not allowed."""
    for address in addresses:
        if is_private(address) and (address.lower(), port) not in allow:
            raise PrivateAddress(
                f"{host}:{port} leads to {address}, which is not a public address; "
                f'add "{host}:{port}" to download.allow_private if it is meant'
            )


def install_guard(allow: Sequence[str] = ()) -> None:
    """From now on, every TCP or UDP connection of this process is checked; Unix sockets stay free.

    For processes that fetch from a URL list and do nothing else. Spawned workers start unguarded: call it
    where they import too (top level of the main module). Calling it again replaces `allow`.

    Args:
        allow: `host:port` entries that may be private; names are resolved here, once.
    """
    allowed = set()
    for host, port in parse_allow(allow):
        allowed |= {(address, port) for address in [host, *addresses_of(host, port)]}

    def connect(self: socket.socket, address: Any) -> None:
        return _connect(self, _checked(self, address, allowed))

    def connect_ex(self: socket.socket, address: Any) -> int:
        return _connect_ex(self, _checked(self, address, allowed))

    socket.socket.connect = connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]


def remove_guard() -> None:
    """Undo `install_guard`, for tests."""
    socket.socket.connect = _connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign,assignment]


def _checked(sock: socket.socket, address: Any, allowed: set[tuple[str, int]]) -> Any:
    """The address with its name resolved, so that what was checked is what is connected to."""
    if sock.family not in INTERNET:
        return address
    host, port, *rest = address
    info = socket.getaddrinfo(host, port, sock.family, sock.type)
    numeric = str(info[0][4][0])
    refuse_addresses([numeric], str(host), port, allowed)
    return (numeric, port, *rest)
