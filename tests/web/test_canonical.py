"""Canonical shards: the same bytes however img2dataset ordered its own, and nothing half written."""

import io
import json
import struct
import subprocess
import sys
import tarfile
import zlib

import imagehash
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ovseg_core import hashing, shards
from ovseg_core.records import BadSample
from ovseg_core.web import canonical, fetched

ROWS = np.array([3, 5, 6, 9])  # of the URL list; 6 was not found
CAPTIONS = ["a fish", "سمكة 🐟\x07\n", "gone", "x" * 1_000_000]
LISTING = pa.table(
    {
        "url": [f"http://a/{row}" for row in ROWS],
        "caption": CAPTIONS,
        "licence": ["CC0", None, "CC0", "CC0"],
        "width": [1, 2, 3, 4],  # a column of the list with a name of img2dataset's
    }
)


def picture(row: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 255, (side, side, 3), np.uint8)


def encoded(image: np.ndarray, form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


IMAGES = {row: encoded(picture(row)) for row in (3, 5, 9)}


MISSING = dict.fromkeys(fetched.MEASURED) | {
    "status": "failed_to_download",
    "error_message": "HTTP Error 404: Not Found",
}


def found(image: bytes) -> dict:
    """What img2dataset says about an image that it stores as it was served."""
    size = {"width": 40, "height": 40, "original_width": 40, "original_height": 40}
    known = {"status": "success", "exif": "{}", "sha256": hashing.sha256(image)}
    return dict.fromkeys(fetched.MEASURED) | size | known


def img2dataset_shard(stem, order, rows=ROWS, mtime=1.0):
    """The files that img2dataset leaves, its samples in the order given."""
    results = []
    with tarfile.open(f"{stem}.tar", "w") as tar:
        for row in order:
            key, image = f"00007{row:04d}", IMAGES.get(row)
            results.append({"row": row, "key": key, **(found(image) if image else MISSING)})
            if image:
                member = tarfile.TarInfo(f"{key}.jpg")
                member.size, member.mtime = len(image), mtime
                tar.addfile(member, io.BytesIO(image))
    pq.write_table(pa.Table.from_pylist([r for r in results if r["row"] in rows]), f"{stem}.parquet")


def listed():
    return canonical.listed(LISTING, hashing.uids(LISTING["url"], LISTING["caption"]))


def store(stem, out):
    samples, reasons = canonical.judge(listed(), fetched.read(stem, ROWS))
    positions = np.flatnonzero(reasons.is_null())
    canonical.write_shard(out, 2, samples, positions, reasons, "print")


@pytest.fixture
def shard(tmp_path):
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5])
    store(tmp_path / "raw", tmp_path / "out")
    return tmp_path / "out" / "00002"


def test_order_and_times_of_the_download_leave_no_trace(shard, tmp_path):
    img2dataset_shard(tmp_path / "raw", [3, 5, 6, 9], mtime=2.0)
    store(tmp_path / "raw", tmp_path / "again")
    for suffix in (".tar", ".parquet"):
        assert shard.with_suffix(suffix).read_bytes() == (tmp_path / "again" / f"00002{suffix}").read_bytes()


def test_a_shard_holds_bytes_as_served_and_all_that_is_known(shard):
    stored = list(shards.read_tar(f"{shard}.tar"))
    assert [s["__key__"] for s in stored] == ["000020000", "000020001", "000020003"]  # shard 2, position
    assert [s["jpg"] for s in stored] == [IMAGES[row] for row in (3, 5, 9)]
    assert [s["txt"].decode() for s in stored] == [CAPTIONS[0], CAPTIONS[1], CAPTIONS[3]]
    table = pq.read_table(f"{shard}.parquet").to_pylist()
    expected_hash = int(str(imagehash.phash(Image.open(io.BytesIO(IMAGES[5])))), 16)
    assert table[1]["phash"] == expected_hash
    assert table[1]["uid"] == hashing.uid("http://a/5", CAPTIONS[1])
    assert (table[0]["given_width"], table[0]["width"], table[0]["licence"]) == (1, 40, "CC0")
    assert json.loads(stored[1]["json"]) == table[1]


def test_a_shard_tells_what_became_of_its_rows(shard):
    reasons, keys = canonical.read_outcome(shard.parent, 2, len(ROWS))
    assert reasons.to_pylist() == [None, None, "http_404", None]
    assert keys.to_pylist() == ["000020000", "000020001", None, "000020003"]
    assert canonical.is_done(shard.parent, 2, "print")
    assert not canonical.is_done(shard.parent, 2, "another")
    shard.with_suffix(".tar").unlink()
    assert not canonical.is_done(shard.parent, 2, "print")


def test_shards_may_lie_behind_a_url(shard, tmp_path):
    store(tmp_path / "raw", "memory://canonical")
    assert canonical.is_done("memory://canonical", 2, "print")
    assert next(shards.read_tar("memory://canonical/00002.tar"))["__key__"] == "000020000"


@pytest.mark.parametrize("cut", [300, 1500, 4000])
def test_a_cut_tar_is_not_believed(tmp_path, cut):
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5])
    tar = tmp_path / "raw.tar"
    tar.write_bytes(tar.read_bytes()[:cut])
    with pytest.raises(BadSample, match="truncated_shard"):
        fetched.read(tmp_path / "raw", ROWS)


def test_a_row_that_img2dataset_lost_is_noticed(tmp_path):
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5], rows=[3, 5, 6])
    with pytest.raises(BadSample, match="results for 3 of 4 rows"):
        fetched.read(tmp_path / "raw", ROWS)
    (tmp_path / "raw.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadSample, match="truncated_shard"):
        fetched.read(tmp_path / "raw", ROWS)
    with pytest.raises(BadSample, match="truncated_shard"):
        fetched.read(tmp_path / "missing", ROWS)


def test_an_image_that_does_not_decode_is_no_sample(tmp_path, monkeypatch):
    monkeypatch.setitem(IMAGES, 5, IMAGES[5][:-200])
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5])
    samples, reasons = canonical.judge(listed(), fetched.read(tmp_path / "raw", ROWS))
    assert reasons.to_pylist() == [None, "undecodable", "http_404", None]
    assert samples.images == [IMAGES[3], IMAGES[9]]
    assert samples.table["url"].to_pylist() == ["http://a/3", "http://a/9"]


def test_recovered_samples_fill_shards_in_order(tmp_path):
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5])
    packer = canonical.Packer(tmp_path, 4, 2, "retry")
    for expected in (
        ["000040000", "000040001", None, "000050000"],
        ["000050001", "000060000", None, "000060001"],
        ["000070000", "000070001", None, "000080000"],
    ):
        assert (
            packer.add(*canonical.judge(listed(), fetched.read(tmp_path / "raw", ROWS))).to_pylist()
            == expected
        )
    packer.close()
    names = [
        name for number in range(4, 9) for name in canonical.read_names(tmp_path, number)["key"].to_pylist()
    ]
    assert names == [f"0000{shard}000{row}" for shard in range(4, 8) for row in range(2)] + ["000080000"]
    assert [s["jpg"] for s in shards.read_tar(tmp_path / "00005.tar")] == [IMAGES[9], IMAGES[3]]


def test_a_shard_without_images_is_whole(tmp_path):
    table = listed().slice(0, 0).append_column("sha256", pa.array([], pa.string()))
    canonical.write_shard(
        tmp_path, 0, canonical.Samples(table, []), np.array([]), pa.array(["timeout"] * 2), "print"
    )
    assert list(shards.read_tar(tmp_path / "00000.tar")) == []
    assert canonical.read_outcome(tmp_path, 0, 2)[0].to_pylist() == ["timeout", "timeout"]


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_canonical
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))
test_canonical.store(Path({raw!r}), {out!r})
"""


def test_a_full_disk_names_the_file_and_leaves_nothing_half_written(tmp_path):
    img2dataset_shard(tmp_path / "raw", [9, 3, 6, 5])
    out = tmp_path / "out"
    program = FULL_DISK.format(
        tests=str(__import__("pathlib").Path(__file__).parent), raw=str(tmp_path / "raw"), out=str(out)
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=".")
    assert run.returncode == 1
    assert "OSError" in run.stderr
    assert f"cannot write {out}/00002.tar: File too large" in run.stderr
    assert list(out.iterdir()) == []
    store(tmp_path / "raw", out)
    assert canonical.is_done(out, 2, "print")


def deep_png(width: int, height: int, grey: int = 0) -> bytes:
    """A PNG of 16-bit grey, all of one value; for a huge size only the header is true."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = (b"\0" + struct.pack(">H", grey) * width) * height if width < 1000 else b""
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def test_untrusted_images():
    whole = encoded(picture(0))
    assert fetched.checked_image(whole) == whole
    for broken in (b"<!doctype html><html>", whole[:10], b""):
        with pytest.raises(BadSample, match="undecodable_image"):
            fetched.checked_image(broken)
    with pytest.raises(BadSample, match="image_too_large"):
        fetched.checked_image(deep_png(60_000, 60_000))
    # 0x8000 of 0xffff is half grey: 128 of 255
    eight = Image.open(io.BytesIO(fetched.checked_image(deep_png(4, 4, 0x8000))))
    assert (eight.mode, eight.getpixel((0, 0))) == ("RGB", (127, 127, 127))


def test_phash_survives_what_a_sha256_does_not():
    smooth = np.asarray(Image.fromarray(picture(1, 8)).resize((64, 64)))
    again = np.asarray(Image.open(io.BytesIO(encoded(smooth))))
    near = hashing.phash(smooth) ^ hashing.phash(again)
    far = hashing.phash(smooth) ^ hashing.phash(np.asarray(Image.fromarray(picture(2, 8)).resize((64, 64))))
    assert near.bit_count() <= 4 < 16 < far.bit_count()
