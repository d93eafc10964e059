"""What is broken or missing on disk is counted, or named."""

import io
import shutil
import tarfile

import numpy as np
import pytest
from loading import loader, parts
from tiny_data import make_corpus
from training_sections import data_settings

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.training.corpus import DataFolders, read_streams
from ovseg_core.training.loader import UnusableData
from ovseg_core.training.shard_cache import load_shard


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), captioned=[8, 8, 6], labelled=[5, 5])


def break_images(path, every: int) -> None:
    """Overwrite the image of every n-th sample of a tar with garbage."""
    samples = list(shards.read_tar(path))
    for sample in samples[::every]:
        sample["jpg"] = b"no image"
    shards.write_tar(path, samples)


def test_a_bad_sample_is_counted_and_the_next_one_of_the_plan_takes_its_place(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "broken")
    break_images(root / "shards" / "00001.tar", every=3)  # rows 0, 3, 6
    order = loader(corpus, 22, labelled=0.0).readers[False]
    expected = [order.stream.keys[order.plan.sample(p)].as_py() for p in range(23)]
    loaded = parts(loader(root, 22, labelled=0.0), 0, 1)[0]
    assert loaded.drops == {"undecodable_image": 3}
    broken = {"000010000", "000010003", "000010006"}
    assert broken <= set(expected)
    for place, key in enumerate(loaded.batch.keys):
        assert key == next(key for key in expected[place:] if key not in broken)


def test_a_cut_shard_loses_its_tail_only(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "cut")
    tar = root / "shards" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:9000])
    loaded = parts(loader(root, 22, labelled=0.0), 0, 1)[0]
    assert set(loaded.drops) == {"truncated_shard"}
    assert 0 < loaded.drops["truncated_shard"] < 8


def test_a_shard_that_is_gone_is_counted(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "gone")
    (root / "shards" / "00002.tar").unlink()
    loaded = parts(loader(root, 22, labelled=0.0), 0, 1)[0]
    assert loaded.drops == {"unreadable_shard": 6}
    assert not any(key.startswith("00002") for key in loaded.batch.keys)


@pytest.mark.parametrize(("png", "reason"), [(b"no png", "undecodable_mask"), (None, "mask_size_mismatch")])
def test_broken_human_masks_are_counted(corpus, tmp_path, png, reason):
    root = shutil.copytree(corpus, tmp_path / "masks")
    path = root / "labelled" / "L0000.tar"
    samples = list(shards.read_tar(path))
    if png is None:
        other = shards.Segments(ids=np.ones((5, 5), np.uint16), names=["red"])
        png = shards.encode_segments(other)["png"]
    samples[2]["png"] = png
    shards.write_tar(path, samples)
    loaded = parts(loader(root, 10, labelled=1.0), 0, 1)[0]
    assert loaded.drops == {reason: 1}


def test_nothing_usable_is_an_error_that_says_why(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "nothing")
    for path in sorted((root / "shards").glob("*.tar")):
        break_images(path, every=1)
    with pytest.raises(UnusableData, match="undecodable_image"):
        parts(loader(root, 4, labelled=0.0), 0, 1)


def test_missing_pseudo_masks_name_the_file(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "unlabelled")
    (root / "pseudo" / "masks" / "00001.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"pseudo/masks/00001.parquet is missing"):
        parts(loader(root, 22, labelled=0.0), 0, 1)


def test_a_share_without_samples_is_refused(tmp_path):
    root = make_corpus(tmp_path, captioned=[4], labelled=[])
    with pytest.raises(ParamError, match=r"data.labelled is 0.5 .* 50% of a batch are labelled images"):
        read_streams(DataFolders(str(root)), data_settings())


def test_a_member_with_a_path_is_not_read(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "path")
    with tarfile.open(root / "shards" / "00000.tar", "a") as tar:
        member = tarfile.TarInfo("../000000009.jpg")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    assert set(load_shard(f"{root}/shards/00000").raw) == {f"00000{row:04d}" for row in range(8)}
