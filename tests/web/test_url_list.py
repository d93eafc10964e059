"""URL lists come from strangers: read as valid text, judged row by row, asked for as browsers do."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ovseg_core.params import ParamError
from ovseg_core.web import safety, url_list

ALLOW = safety.parse_allow(["127.0.0.1:8765"])


def column(*texts):
    return pa.chunked_array([pa.array(texts, pa.string())])


def write(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_nulls_numbers_and_broken_bytes_become_text(tmp_path):
    broken = pa.array([b"a \xff b", None, "مرحبا 🐟\x07".encode()]).view(pa.string())
    urls = ["http://a/1", None, "http://a/3"]
    table = url_list.read(write(tmp_path / "urls.parquet", url=urls, caption=broken, width=[1, 2, 3]))
    assert table["url"].to_pylist() == ["http://a/1", "", "http://a/3"]
    assert table["caption"].to_pylist() == ["a \ufffd b", "", "مرحبا 🐟\x07"]
    assert table["width"].to_pylist() == [1, 2, 3]
    numbers = write(tmp_path / "numbers.parquet", url=["http://a"], caption=[7])
    assert url_list.read(numbers)["caption"].to_pylist() == ["7"]


def test_a_list_without_its_columns_or_rows_is_refused(tmp_path):
    without = write(tmp_path / "urls.parquet", url=["http://a"], alt=["x"])
    with pytest.raises(
        ParamError, match=r"urls\.parquet lacks the columns \['caption'\]; it has \['url', 'alt'"
    ):
        url_list.read(without)
    nothing = pa.array([], pa.string())
    with pytest.raises(ParamError, match="holds no rows"):
        url_list.read(write(tmp_path / "urls.parquet", url=nothing, caption=nothing))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/a.jpg", None),
        (" HTTPS://example.com:8443/a b.jpg\n", None),
        ("http://8.8.8.8/a.jpg", None),
        ("http://127.0.0.1:8765/a.jpg", None),  # allowed
        ("http://127.0.0.1:8766/a.jpg", "private_address"),
        ("http://0x7f.1/a.jpg", "private_address"),
        ("http://2130706433/a.jpg", "private_address"),
        ("http://user:pw@10.0.0.1/a.jpg", "private_address"),
        ("http://[::1]/a.jpg", "private_address"),
        ("http://localhost:8766/a.jpg", "private_address"),
        ("ftp://example.com/a.jpg", "bad_url"),
        ("file:///etc/passwd", "bad_url"),
        ("data:image/png;base64,AAAA", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://example.com:99999/a.jpg", "bad_url"),
        ("http://[::1/a.jpg", "bad_url"),
        ("http://example.com/\x00a.jpg", "bad_url"),
        ("http://example.com/\r\nHost: b", "bad_url"),
        ("a picture", "bad_url"),
        ("", "bad_url"),
    ],
)
def test_refusals(url, reason):
    assert url_list.refusals(column("http://example.com/", url), ALLOW).to_pylist() == [None, reason]


def test_requests_are_percent_encoded_once():
    asked = url_list.requests(column(" http://a/ä b.jpg?q=1&r=[2]#x ", "http://a/%C3%A4%20b.jpg"))
    assert asked.to_pylist() == ["http://a/%C3%A4%20b.jpg?q=1&r=[2]#x", "http://a/%C3%A4%20b.jpg"]
