"""The ledger: what became of every row of a URL list. Row i of the ledger is row i of the list.

status    reason               tried again
success   null                 no
failed    http_404, timeout... by a retry
refused   see REFUSED          never
"""

import ipaddress
import re
import socket
import string
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.web import hashing, safety

REFUSED = ("bad_url", "private_address", "noai", "duplicate_row")
ORIGIN = r"^(?P<origin>(?i:https?)://[^/?#\s\\]+)"  # scheme, host and port of what may be fetched
REASONS = [  # first match wins; the messages of img2dataset, urllib, http.client, ssl and our own
    (r"not a public address|only http and https URLs", "private_address"),
    (r"disallowed by X-Robots-Tag", "noai"),
    (r"HTTP Error (\d{3})", r"http_\1"),
    (r"timed out|took too long", "timeout"),
    (r"IncompleteRead", "incomplete"),
    (r"Name or service not known|name resolution|No address associated|nodename nor servname", "dns"),
    (r"certificate|SSL|TLS", "ssl"),
    (r"control characters|unknown url type|no host given|nonnumeric port|codec can't encode", "bad_url"),
    (r"image too small", "too_small"),
    (r"too_large|too large", "too_large"),
    (r"undecodable|decoding error|imdecode|cannot identify image", "undecodable"),
    (r"refused|reset|closed connection|unreachable|No route|urlopen error|Broken pipe", "connection"),
]


def reason_of(message: str | None) -> str:
    """An error message as a slug to count by: `HTTP Error 404: Not Found` -> `http_404`."""
    for pattern, slug in REASONS:
        if found := re.search(pattern, message or "", re.IGNORECASE):
            return found.expand(slug)
    return "other"


def read_list(path: Path | str) -> pa.Table:
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


def plan(listing: pa.Table, allow: Collection[tuple[str, int]]) -> pa.Table:
    """The ledger before the first attempt: `status` is null where a row is to be fetched.

    Args:
        listing: `url, caption` of every row, as `read_list` gives them.
        allow: (host, port) that may be private, as of `safety.parse_allow`.
    """
    uid = hashing.uids(listing["url"], listing["caption"])
    reason = pc.coalesce(_bad_urls(listing["url"], allow), _repeated(uid))
    nothing = pa.nulls(len(listing), pa.string())
    return pa.table(
        {
            "url": listing["url"],
            "uid": uid,
            "status": pc.if_else(pc.is_valid(reason), "refused", nothing),
            "reason": reason,
            "attempts": np.zeros(len(listing), np.int32),
            "key": nothing,
            "duplicate_of": nothing,
        }
    )


def requests(urls: pa.ChunkedArray) -> pa.ChunkedArray:
    """What is asked for: spaces and letters beyond ASCII percent-encoded as UTF-8, as browsers do."""
    trimmed = pc.utf8_trim_whitespace(urls)
    odd = pc.match_substring_regex(trimmed, r"[^\x21-\x7e]")
    if not pc.any(odd).as_py():
        return trimmed
    quoted = [quote(url, safe=string.punctuation) for url in trimmed.filter(odd).to_pylist()]
    return pc.replace_with_mask(trimmed.combine_chunks(), odd.combine_chunks(), pa.array(quoted, pa.string()))


def record(ledger: pa.Table, rows: np.ndarray, reasons: pa.Array, keys: pa.Array) -> pa.Table:
    """The ledger after one more attempt at `rows`: the reason of each, or null and the key of its image."""
    place = np.full(len(ledger), -1)
    place[rows] = np.arange(len(rows))
    tried = pa.array(place >= 0)
    pick = pa.array(place, mask=place < 0)
    reason, key = reasons.take(pick), keys.take(pick)
    refused = pc.is_in(reason, value_set=pa.array(REFUSED))
    status = pc.if_else(pc.is_valid(key), "success", pc.if_else(refused, "refused", "failed"))
    changed = {
        "status": pc.if_else(tried, status, ledger["status"]),
        "reason": pc.if_else(tried, reason, ledger["reason"]),
        "attempts": pc.add(ledger["attempts"], tried.cast(pa.int32())),
        "key": pc.if_else(tried, key, ledger["key"]),
    }
    return pa.table({**dict(zip(ledger.column_names, ledger.columns, strict=True)), **changed})


def mark_duplicates(ledger: pa.Table, keys: pa.Array, sha256: pa.Array) -> pa.Table:
    """Fill `duplicate_of`: the key of the first sample, in the order of keys, that has the same bytes.

    A repeated row points to the sample of its first occurrence.

    Args:
        keys: of all samples, sorted.
        sha256: of each of them.
    """
    first = _first_of_each(sha256)
    of_key = pc.if_else(pa.array(first < np.arange(len(first))), keys.take(pa.array(first)), None)
    same_bytes = of_key.take(pc.index_in(ledger["key"], value_set=keys).combine_chunks())
    first_row = pa.array(_first_of_each(ledger["uid"]))
    same_row = pc.if_else(pc.equal(ledger["reason"], "duplicate_row"), ledger["key"].take(first_row), None)
    column = ledger.column_names.index("duplicate_of")
    return ledger.set_column(column, "duplicate_of", pc.coalesce(same_bytes, same_row))


def counts(ledger: pa.Table) -> dict[str, int]:
    """How many rows have no image of their own, by reason."""
    return {
        item["values"]: item["counts"] for item in pc.value_counts(ledger["reason"].drop_null()).to_pylist()
    }


def failed_share(ledger: pa.Table) -> float:
    """Rows without an image as a share of all rows, repeated rows left out of both."""
    distinct = len(ledger) - counts(ledger).get("duplicate_row", 0)
    return 1 - pc.sum(pc.equal(ledger["status"], "success")).as_py() / distinct


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


def _bad_urls(urls: pa.ChunkedArray, allow: Collection[tuple[str, int]]) -> pa.ChunkedArray:
    """`bad_url` or `private_address` per row, or null. An origin is judged once, and no name is resolved."""
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


def _repeated(uid: pa.ChunkedArray) -> pa.Array:
    first = _first_of_each(uid)
    again = pa.array(first < np.arange(len(first)))
    return pc.if_else(again, "duplicate_row", pa.scalar(None, pa.string()))


def _first_of_each(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Per row the first row that has the same value."""
    codes = pa.chunked_array([values] if isinstance(values, pa.Array) else values.chunks, values.type)
    indices = codes.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(indices, return_index=True)
    return first[indices]
