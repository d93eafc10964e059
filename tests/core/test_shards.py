"""Shards: the same bytes for the same content, and nothing inside one is trusted."""

import io
import struct
import tarfile
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from ovseg_core import shards
from ovseg_core.records import BadSample, Segments

SAMPLES = [{"__key__": f"00000000{i}", "jpg": bytes([i] * 700), "txt": b"a fish"} for i in (1, 0, 2)]


def encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def test_equal_content_has_equal_bytes_and_comes_back_sorted(tmp_path):
    shards.write_tar(tmp_path / "a.tar", SAMPLES)
    shards.write_tar(tmp_path / "b.tar", SAMPLES[::-1])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert [sample["__key__"] for sample in shards.read_tar(tmp_path / "a.tar")] == [
        "000000000",
        "000000001",
        "000000002",
    ]
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {member.mtime for member in tar} == {0}


@pytest.mark.parametrize("cut", [100, 700, 1500, 3000, 4500])
def test_a_cut_shard_yields_whole_samples_and_says_so(tmp_path, cut):
    shards.write_tar(tmp_path / "a.tar", SAMPLES)
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:cut])
    got = []
    with pytest.raises(BadSample, match="truncated_shard"):
        got.extend(shards.read_tar(tmp_path / "a.tar"))
    assert all(sample["jpg"] in (bytes([i] * 700) for i in range(3)) and "txt" in sample for sample in got)


def test_a_path_in_a_member_name_is_skipped(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("../evil.jpg", "/etc/evil.jpg", "0001.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    assert [sample["__key__"] for sample in shards.read_tar(tmp_path / "a.tar")] == ["0001"]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_rgb(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    image = shards.decode_image(encoded(Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode), form))
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8
    assert image.min() == 255


def test_sixteen_bits_are_scaled_not_clipped():
    grey = Image.fromarray(np.full((2, 2), 32768, np.uint16))
    assert shards.decode_image(encoded(grey, "PNG"))[0, 0].tolist() == [127, 127, 127]


def test_a_huge_image_is_refused_before_it_is_decoded():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    with pytest.raises(BadSample) as error:
        shards.decode_image(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    assert error.value.reason == "image_too_large"


@pytest.mark.parametrize("content", [b"", b"<html>", encoded(Image.new("RGB", (64, 64)), "JPEG")[:300]])
def test_a_broken_image_is_counted_not_fatal(content):
    with pytest.raises(BadSample) as error:
        shards.decode_image(content)
    assert error.value.reason == "undecodable_image"


def test_segments_come_back_and_must_fit_their_image():
    segments = Segments(ids=np.array([[0, 1], [2, 2]], np.uint16), names=["fish", "water"])
    raw = {"__key__": "L1", **shards.encode_segments(segments)}
    back = shards.decode_segments(raw, (2, 2))
    assert back.ids.tolist() == [[0, 1], [2, 2]]
    assert back.names == ["fish", "water"]
    with pytest.raises(BadSample, match="mask_size_mismatch"):
        shards.decode_segments(raw, (3, 2))
    with pytest.raises(BadSample, match="unknown_segment"):
        shards.decode_segments({**raw, "json": b'{"segments": ["fish"]}'}, (2, 2))


def test_a_table_carries_its_fingerprint(tmp_path):
    shards.write_table(tmp_path / "a.parquet", pa.table({"key": ["a"]}), "f00d")
    assert shards.stamp_of(tmp_path / "a.parquet") == "f00d"
    assert shards.stamp_of(tmp_path / "b.parquet") is None
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    assert shards.stamp_of(tmp_path / "c.parquet") is None
