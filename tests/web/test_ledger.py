"""The ledger accounts for every row once: status, reason, attempts, and which image it is."""

import numpy as np
import pyarrow as pa
import pytest

from ovseg_core import hashing
from ovseg_core.web import ledger

LISTING = pa.table(
    {
        "url": ["http://a/0", "ftp://a/1", "http://a/2", "http://a/0", "http://a/0", "http://a/5"],
        "caption": ["x", "x", "x", "x", "y", "x"],  # row 3 repeats row 0; row 4 has another caption
    }
)
ROWS = np.array([0, 2, 4, 5])  # those that are fetched


@pytest.fixture
def planned():
    return ledger.plan(LISTING, [])


@pytest.fixture
def first(planned):
    reasons = pa.array([None, "http_404", None, "noai"])
    keys = pa.array(["000000000", None, "000000002", None])
    return ledger.record(planned, ROWS, reasons, keys)


def test_a_plan_tells_what_is_fetched(planned):
    assert planned["status"].to_pylist() == [None, "refused", None, "refused", None, None]
    assert planned["reason"].to_pylist() == [None, "bad_url", None, "duplicate_row", None, None]
    assert planned["attempts"].to_pylist() == [0] * 6
    assert planned["uid"][0] == planned["uid"][3] != planned["uid"][4]


def test_every_outcome_is_entered_in_its_row(first):
    assert first["status"].to_pylist() == ["success", "refused", "failed", "refused", "success", "refused"]
    assert first["reason"].to_pylist() == [None, "bad_url", "http_404", "duplicate_row", None, "noai"]
    assert first["attempts"].to_pylist() == [1, 0, 1, 0, 1, 1]
    assert first["key"].to_pylist() == ["000000000", None, None, None, "000000002", None]


def test_a_second_attempt_changes_only_the_rows_that_it_tried(first):
    second = ledger.record(first, np.array([2]), pa.array([None], pa.string()), pa.array(["000010000"]))
    assert second["status"].to_pylist() == ["success", "refused", "success", "refused", "success", "refused"]
    assert second["attempts"].to_pylist() == [1, 0, 2, 0, 1, 1]
    assert second["key"].to_pylist() == ["000000000", None, "000010000", None, "000000002", None]
    assert second["reason"][5].as_py() == "noai"


def test_counts_and_share(first):
    assert ledger.counts(first) == {"bad_url": 1, "http_404": 1, "duplicate_row": 1, "noai": 1}
    # 2 images for 5 distinct rows
    assert ledger.failed_share(first) == pytest.approx(3 / 5)


def test_duplicates_point_to_the_first_key_with_the_same_bytes(first):
    marked = ledger.mark_duplicates(first, pa.array(["000000000", "000000002"]), pa.array(["same", "same"]))
    # row 4 has the bytes of row 0; row 3 repeats row 0
    assert marked["duplicate_of"].to_pylist() == [None, None, None, "000000000", "000000000", None]
    other = ledger.mark_duplicates(first, pa.array(["000000000", "000000002"]), pa.array(["one", "two"]))
    assert other["duplicate_of"].to_pylist() == [None, None, None, "000000000", None, None]


def test_a_million_identical_rows_are_fetched_once():
    rows = 1_000_000
    texts = {"url": pa.repeat("http://a/0", rows), "caption": pa.repeat("x", rows)}
    plan = ledger.plan(pa.table(texts), [])
    assert plan["status"].null_count == 1
    assert ledger.counts(plan) == {"duplicate_row": rows - 1}


@pytest.mark.parametrize(
    ("message", "slug"),
    [
        ("HTTP Error 404: Not Found", "http_404"),
        (
            "HTTP Error 302: ... a redirect error that would lead to an infinite loop.",
            "http_302",
        ),
        ("<urlopen error timed out>", "timeout"),
        ("The read operation timed out", "timeout"),
        ("the answer took too long", "timeout"),
        ("<urlopen error [Errno 111] Connection refused>", "connection"),
        ("[Errno 104] Connection reset by peer", "connection"),
        ("Remote end closed connection without response", "connection"),
        ("<urlopen error [Errno -2] Name or service not known>", "dns"),
        ("<urlopen error [Errno -3] Temporary failure in name resolution>", "dns"),
        ("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>", "ssl"),
        ("IncompleteRead(10 bytes read, 20 more expected)", "incomplete"),
        ("Use of image disallowed by X-Robots-Tag directive", "noai"),
        ("a:80 leads to 10.0.0.1, which is not a public address; add ...", "private_address"),
        ("URL can't contain control characters. '/a b'", "bad_url"),
        ("image too small", "too_small"),
        ("image_too_large: 60000x60000", "too_large"),
        ("the answer is too large", "too_large"),
        ("undecodable_image: image file is truncated", "undecodable"),
        ("Image decoding error", "undecodable"),
        ("who knows", "other"),
        (None, "other"),
    ],
)
def test_reasons(message, slug):
    assert ledger.reason_of(message) == slug


def test_uids_are_128_bits_of_url_and_caption():
    uids = hashing.uids(LISTING["url"], LISTING["caption"], batch=2).to_pylist()
    assert uids == [hashing.uid(u, c) for u, c in zip(*LISTING.to_pydict().values(), strict=True)]
    assert all(len(uid) == 32 for uid in uids)
    assert hashing.uid("ab", "c") != hashing.uid("a", "bc")
