"""Planted copies are found; different scenes of the toy world are not taken for copies."""

import hashlib
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from ovseg_core import hashing, shards
from ovseg_core.text import leaks
from ovseg_core.text.leaks import BenchmarkImages, leaks_of, near_pairs
from ovseg_core.web import world

DISTANCE = 6


def jpeg(image, quality=90, size=None):
    picture = Image.fromarray(image)
    buffer = io.BytesIO()
    (picture.resize(size) if size else picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def scene(index, split):
    return world.draw_scene(world.scene_rng(0, split, index)).image


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    for name, split in (("one", "toy-val"), ("two", "toy-test")):
        (folder / name / "JPEGImages").mkdir(parents=True)
        for index in range(20):
            (folder / name / "JPEGImages" / f"{index:04d}.jpg").write_bytes(jpeg(scene(index, split)))
    return folder


def shard(folder, contents, hashed=True):
    """A shard of these JPEGs -> (its path, its table)."""
    keys = [f"00000{row:04d}" for row in range(len(contents))]
    shards.write_tar(
        folder / "00000.tar", [{"__key__": k, "jpg": c} for k, c in zip(keys, contents, strict=True)]
    )
    columns = {"key": keys}
    if hashed:
        columns["sha256"] = [hashlib.sha256(content).hexdigest() for content in contents]
        hashes = [hashing.phash(shards.decode_image(content)) for content in contents]
        columns["phash"] = pa.array(hashes, hashing.PHASH_TYPE)
    return f"{folder}/00000", pa.table(columns)


def found(folder, benchmarks, contents, hashed=True, distance=DISTANCE):
    images = BenchmarkImages.read(benchmarks)
    path, table = shard(folder, contents, hashed)
    return leaks_of(path, table, images, distance)


@pytest.mark.parametrize("hashed", [True, False])
def test_planted_copies_are_found(tmp_path, benchmarks, hashed):
    original = (benchmarks / "two" / "JPEGImages" / "0005.jpg").read_bytes()
    again = jpeg(shards.decode_image(original), quality=75)
    resized = jpeg(np.asarray(Image.fromarray(shards.decode_image(original)).resize((96, 96))), size=(64, 64))
    contents = [jpeg(scene(0, "captioned")), original, again, resized, jpeg(scene(1, "captioned"))]
    result = found(tmp_path, benchmarks, contents, hashed)
    assert [(leak["key"], leak["benchmark"], leak["id"]) for leak in result] == [
        (f"00000000{row}", "two", "0005") for row in (1, 2, 3)
    ]
    assert result[0]["distance"] == 0
    assert all(0 <= leak["distance"] <= DISTANCE for leak in result)


def test_an_exact_copy_is_found_by_its_bytes_though_its_image_was_scaled_down_since(tmp_path, benchmarks):
    original = (benchmarks / "one" / "JPEGImages" / "0003.jpg").read_bytes()
    path, table = shard(tmp_path, [jpeg(np.zeros((8, 8, 3), np.uint8))])
    table = table.set_column(1, "sha256", pa.array([hashlib.sha256(original).hexdigest()]))
    result = leaks_of(path, table, BenchmarkImages.read(benchmarks), 0)
    assert result == [{"benchmark": "one", "id": "0003", "key": "000000000", "distance": 0}]


def test_different_scenes_are_no_copies(tmp_path, benchmarks):
    contents = [jpeg(scene(index, "captioned")) for index in range(300)]
    assert found(tmp_path, benchmarks, contents, distance=10) == []


def test_one_hash_is_not_enough(tmp_path, benchmarks):
    image = shards.decode_image((benchmarks / "one" / "JPEGImages" / "0000.jpg").read_bytes())
    darker = (image * 0.6).astype(np.uint8)  # the same layout in other light: the hash hardly changes
    own, other = hashing.phash(darker), hashing.phash(image)
    assert int(np.bitwise_count(np.uint64(own ^ other))) <= DISTANCE
    assert found(tmp_path, benchmarks, [jpeg(darker)]) == []


def test_a_broken_training_image_is_passed_over(tmp_path, benchmarks):
    original = (benchmarks / "one" / "JPEGImages" / "0000.jpg").read_bytes()
    path, table = shard(tmp_path, [original, original])
    samples = [{"__key__": "000000000", "jpg": b"broken"}, {"__key__": "000000001", "jpg": original}]
    shards.write_tar(f"{path}.tar", samples)
    images = BenchmarkImages.read(benchmarks)
    table = table.drop_columns(["sha256"])
    assert [leak["key"] for leak in leaks_of(path, table, images, DISTANCE)] == ["000000001"]


def test_a_broken_benchmark_image_is_left_out(tmp_path, caplog):
    (tmp_path / "one" / "JPEGImages").mkdir(parents=True)
    (tmp_path / "one" / "JPEGImages" / "bad.jpg").write_bytes(b"no image")
    images = BenchmarkImages.read(tmp_path)
    assert images.names == []
    assert "bad.jpg" in caplog.text
    path, table = shard(tmp_path, [jpeg(scene(0, "captioned"))])
    assert leaks_of(path, table, images, DISTANCE) == []


def test_pairs_within_a_distance(monkeypatch):
    monkeypatch.setattr(leaks, "PAIRS_AT_ONCE", 4)  # two rows at a time
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 2**64, 9, np.uint64), rng.integers(0, 2**64, 2, np.uint64)
    ours[4] = theirs[1] ^ np.uint64(0b1011 << 60)  # three bits, the highest among them
    ours[8] = theirs[0]
    assert list(near_pairs(ours, theirs, 3)) == [(4, 1, 3), (8, 0, 0)]
    assert list(near_pairs(ours, theirs, 2)) == [(8, 0, 0)]
    assert list(near_pairs(ours, np.zeros(0, np.uint64), 2)) == []


def test_leaks_are_grouped_and_clean_benchmarks_named(benchmarks):
    images = BenchmarkImages.read(benchmarks)
    leak = {"benchmark": "two", "id": "0001", "key": "000000001", "distance": 2}
    assert images.by_benchmark([leak]) == {
        "one": [],
        "two": [{"id": "0001", "key": "000000001", "distance": 2}],
    }
