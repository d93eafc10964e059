import numpy as np
import pytest

from ovseg_core import files, hashing, shards
from ovseg_core.records import BadSample, Segments
from ovseg_core.web.faults import jpeg
from ovseg_core.web.labelled import Labelled, write_labelled


def image(number, **changes):
    pixels = np.full((8, 12, 3), number * 10, np.uint8)
    ids = np.zeros((8, 12), np.uint16)
    ids[2:4] = 1
    ids[5:] = 2
    given = {
        "id": str(number),
        "jpeg": jpeg(pixels),
        "segments": Segments(ids=ids, names=["fish", "grass"]),
        "caption": f"fish {number}",
        "licence": "CC0-1.0",
        "source": "toy",
    }
    return Labelled(**{**given, **changes})


def test_shards_hold_what_was_given(tmp_path):
    assert write_labelled(tmp_path, (image(n) for n in range(5)), shard_size=2) == 5
    assert [shards.name_of(s) for s in shards.list_shards(tmp_path)] == ["L0000", "L0001", "L0002"]
    samples = [shards.decode_sample(raw) for raw in shards.read_tar(tmp_path / "L0001.tar")]
    assert [sample.key for sample in samples] == ["L00010000", "L00010001"]
    assert samples[0].caption == "fish 2"
    assert samples[0].segments.names == ["fish", "grass"]
    assert np.array_equal(samples[0].segments.ids, image(2).segments.ids)
    row = shards.read_table(tmp_path / "L0001.parquet").to_pylist()[0]
    assert (row["key"], row["caption"], row["width"], row["height"]) == ("L00010000", "fish 2", 12, 8)
    assert row["sha256"] == hashing.sha256(image(2).jpeg)
    assert row["phash"] == hashing.phash(samples[0].image)
    assert len(set(shards.read_table(tmp_path / "L0000.parquet")["uid"].to_pylist())) == 2


def test_shards_of_a_larger_run_go(tmp_path):
    write_labelled(tmp_path, [image(n) for n in range(4)], shard_size=2)
    write_labelled(tmp_path, [image(0)], shard_size=2)
    assert [path.rsplit("/")[-1] for path in files.listing(tmp_path, "")] == ["L0000.parquet", "L0000.tar"]


def test_a_broken_image_is_refused(tmp_path):
    with pytest.raises(BadSample, match="undecodable"):
        write_labelled(tmp_path, [image(0, jpeg=b"no image")])
