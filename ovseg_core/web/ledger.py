"""The ledger: what became of every row of a URL list. Row i of the ledger is row i of the list.

status    reason               tried again
success   null                 no
failed    http_404, timeout... by a retry
refused   see REFUSED          never
"""

import re
from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import hashing
from ovseg_core.web import url_list

REFUSED = ("bad_url", "private_address", "noai", "duplicate_row")
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


def plan(listing: pa.Table, allow: Collection[tuple[str, int]]) -> pa.Table:
    """The ledger before the first attempt: `status` is null where a row is to be fetched.

    Args:
        listing: `url, caption` of every row, as `url_list.read` gives them.
        allow: (host, port) that may be private, as of `safety.parse_allow`.
    """
    uid = hashing.uids(listing["url"], listing["caption"])
    reason = pc.coalesce(url_list.refusals(listing["url"], allow), _repeated(uid))
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
