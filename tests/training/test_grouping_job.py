"""A training of OVSegmentor from end to end: pairs, schedule, momentum model, resumption, pictures."""

import shutil

import pyarrow as pa
import pytest
import shipped
from tiny_data import make_corpus
from training_sections import DATA, TRAIN, tiny_model

from ovseg_core import files, shards
from ovseg_core.training.checkpoint import load_model, unpack
from ovseg_core.training.identity import Job
from ovseg_core.training.job import run_job
from ovseg_core.training.loop import Worker


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = make_corpus(tmp_path_factory.mktemp("grouping"), captioned=[12, 12], labelled=[2])
    rows = [
        {"entity": "square", "key": f"{shard:05d}{row:04d}", "share": 1.0, "partners": []}
        for shard in range(2)
        for row in range(12)
    ]
    shards.write_table(root / "corpus" / "partners.parquet", pa.Table.from_pylist(rows))
    return root


def job(corpus, folder, method="ovsegmentor", **settings) -> Job:
    own = shipped.DEFAULT["methods"][method]
    run = {
        "run": "tiny",
        "method": method,
        "settings": {**own, **settings},
        "model": tiny_model(),
        "train": {**TRAIN, "steps": 4, "checkpoint_every": 3, "log_every": 1},
        "data": {**DATA, "scale_jitter": [1.0, 1.0], "labelled": 0.0, "pseudo": None, "pairs": 0.5},
    }
    return Job(run=run, seed=0, data=str(corpus), folder=str(folder), corpus="x")


def test_a_killed_training_ends_in_the_same_bytes(corpus, tmp_path):
    whole = job(corpus, tmp_path / "whole", mask_from=0.5)
    run_job(whole, Worker())
    summary = files.read_json(files.join(whole.model, "summary.json"))
    assert set(summary["losses"]) == {"contrastive", "entity", "mask", "affinity_entropy"}
    assert summary["trained_parameters"] < summary["parameters"]  # the momentum model
    curve = files.read_bytes(files.join(whole.model, "curves", "mask.tsv")).decode().split()[2:]
    values = [float(value) for value in curve[1::2]]
    assert values[:2] == [0, 0]  # lambda is 0 for the first half
    assert min(values[2:]) > 0

    again = job(corpus, tmp_path / "again", mask_from=0.5)
    (tmp_path / "again").mkdir()
    shutil.copy(whole.state, again.state)  # as of step 3
    run_job(again, Worker())
    for name in ("model.safetensors", "groups.safetensors", "curves/mask.tsv"):
        assert files.read_bytes(files.join(again.model, name)) == files.read_bytes(
            files.join(whole.model, name)
        )


def test_the_picture_shows_pairs(corpus, tmp_path):
    own = job(corpus, tmp_path, mask_from=0.0)
    run_job(own, Worker())
    tensors, note = unpack(files.read_bytes(files.join(own.model, "groups.safetensors")))
    assert tensors["groups"].shape == (8, 8, 8)
    assert tensors["images"].shape == (8, 3, 32, 32)
    assert note["shared"] == ["square"] * 8
    assert tensors["own"].any()
    assert load_model(own.model).settings.num_groups == 8


def test_groupvit_trains_on_the_same_batches(corpus, tmp_path):
    own = job(corpus, tmp_path, method="groupvit", num_groups=[16, 4])
    run_job(own, Worker())
    tensors, _ = unpack(files.read_bytes(files.join(own.model, "groups.safetensors")))
    assert set(tensors) == {"images", "groups"}
    assert int(tensors["groups"].max()) < 4
