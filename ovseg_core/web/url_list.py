"""The URL list as strangers wrote it: read as valid text, judged, and turned into what is asked for."""

import ipaddress
import socket
import string
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.web import safety

ORIGIN = r"^(?P<origin>(?i:https?)://[^/?#\s\\]+)"  # scheme, host and port of what may be fetched


def read(path: Path | str) -> pa.Table:
    """A URL list: `url, caption` as valid strings, nulls as "", and its further columns as they are.

    Raises:
        ParamError: when a column is missing, or there is no row.
    """
    table = shards.read_table(path)
    if missing := sorted({"url", "caption"} - set(table.column_names)):
        raise ParamError(f"{path} lacks the columns {missing}; it has {table.column_names}")
    if not len(table):
        raise ParamError(f"{path} holds no rows; at least one URL is needed")
    for name in ("url", "caption"):
        column = table.column_names.index(name)
        table = table.set_column(column, name, _text(table[name]))
    return table.combine_chunks()


def refusals(urls: pa.ChunkedArray, allow: Collection[tuple[str, int]]) -> pa.ChunkedArray:
    """Per row the reason why it must not be fetched, `bad_url` or `private_address`, or null.

    An origin is judged once, and no name is resolved: names are judged by the guard, when connecting.
    """
    trimmed = pc.utf8_trim_whitespace(urls)
    origins = pc.struct_field(pc.extract_regex(trimmed, ORIGIN), "origin").dictionary_encode()
    origins = origins.unify_dictionaries().combine_chunks()
    judged = [_judge(origin, allow) for origin in origins.dictionary.to_pylist()]
    reason = pc.coalesce(
        pa.array(judged, pa.string()).take(origins.indices),
        pc.if_else(pc.is_null(origins.indices), "bad_url", pa.scalar(None, pa.string())),
    )
    control = pc.match_substring_regex(trimmed, r"[\x00-\x1f\x7f]").combine_chunks()
    return pc.if_else(control, "bad_url", reason)


def requests(urls: pa.ChunkedArray) -> pa.ChunkedArray:
    """What is asked for: spaces and letters beyond ASCII percent-encoded as UTF-8, as browsers do."""
    trimmed = pc.utf8_trim_whitespace(urls)
    odd = pc.match_substring_regex(trimmed, r"[^\x21-\x7e]")
    if not pc.any(odd).as_py():
        return trimmed
    quoted = [quote(url, safe=string.punctuation) for url in trimmed.filter(odd).to_pylist()]
    return pc.replace_with_mask(trimmed.combine_chunks(), odd.combine_chunks(), pa.array(quoted, pa.string()))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column as valid UTF-8: nulls become "", broken bytes the replacement character."""
    strings = pc.fill_null(column.cast(pa.binary()) if _is_binary(column) else column.cast(pa.string()), "")
    try:
        strings.cast(pa.binary()).cast(pa.string())  # checks the encoding; reading a file does not
        return strings.cast(pa.string())
    except pa.ArrowInvalid:
        repaired = (text.decode("utf-8", "replace") for text in strings.cast(pa.binary()).to_pylist())
        return pa.chunked_array([pa.array(repaired, pa.string())])


def _is_binary(column: pa.ChunkedArray) -> bool:
    return pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)


def _judge(origin: str, allow: Collection[tuple[str, int]]) -> str | None:
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port or safety.SCHEMES[parts.scheme]
    except ValueError:
        return "bad_url"
    if not host:
        return "bad_url"
    address = _literal(host)
    allowed = (host, port) in allow or (address, port) in allow
    return "private_address" if address and not allowed and safety.is_private(address) else None


def _literal(host: str) -> str | None:
    """The address that a host spells out, as `127.1` or `0x7f.1` do too; None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return "127.0.0.1" if host == "localhost" else None
