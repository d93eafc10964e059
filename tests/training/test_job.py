"""One worker's training over real shards with the project's own methods."""

import json
import shutil

import pytest
from safetensors.torch import load_file
from tiny_data import make_corpus
from training_sections import tiny_model, tiny_run

from ovseg_core import files
from ovseg_core.params import ParamError
from ovseg_core.training import job as job_module
from ovseg_core.training.checkpoint import load_model
from ovseg_core.training.identity import Job, code_fingerprint, data_fingerprint
from ovseg_core.training.job import cached_features, run_job
from ovseg_core.training.loader import UnusableData
from ovseg_core.training.loop import Trainer, Worker
from ovseg_core.training.settings import backbone_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), captioned=[8, 8, 6], labelled=[5, 5])


def job(corpus, folder, run=None, seed=0) -> Job:
    return Job(run=run or tiny_run(), seed=seed, data=str(corpus), folder=str(folder), corpus="c")


def contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_training_leaves_a_model_that_loads(corpus, tmp_path):
    run_job(job(corpus, tmp_path), Worker())
    assert set(contents(tmp_path / "model")) == {
        "model.safetensors",
        "config.json",
        "summary.json",
        "curves/mask.tsv",
    }
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["words"] == ["blue", "green", "red", "square", "white"]
    assert (config["method"], config["run"], config["seed"], config["corpus"]) == ("masks", "tiny", 0, "c")
    summary = json.loads((tmp_path / "model" / "summary.json").read_text())
    assert (summary["steps"], summary["images"], summary["drops"]) == (10, 80, {})
    assert (tmp_path / "model" / "curves" / "mask.tsv").read_text().startswith("step\tvalue\n2\t")
    assert files.read_json(tmp_path / "done.json")["images"] == 80
    load_model(tmp_path / "model")


@pytest.mark.parametrize("method", ["masks", "clip_dense", "lseg"])
def test_killed_and_run_again_ends_in_the_same_bytes(corpus, tmp_path, monkeypatch, method):
    run = tiny_run(method)
    run_job(job(corpus, tmp_path / "whole", run), Worker())

    class Killed(Exception):
        pass

    def die(trainer: Trainer) -> dict:
        if trainer.step == 8:
            raise Killed
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(job_module, "progress", die)
        with pytest.raises(Killed):
            run_job(job(corpus, tmp_path / "killed", run), Worker())
    assert (tmp_path / "killed" / "state.safetensors").exists()
    steps = []
    monkeypatch.setattr(job_module, "progress", lambda trainer: steps.append(trainer.step))
    run_job(job(corpus, tmp_path / "killed", run), Worker())
    assert steps == [6, 8, 10]  # from the state at step 5 on
    assert contents(tmp_path / "killed" / "model") == contents(tmp_path / "whole" / "model")


def test_a_method_that_reads_labels_gets_the_names_of_the_whole_set(corpus, tmp_path):
    """LSeg learns from names: over four of them, its first loss is near log 4, over none it would be 0."""
    run_job(job(corpus, tmp_path, tiny_run("lseg", train={"steps": 1, "log_every": 1})), Worker())
    [_, first] = (tmp_path / "model" / "curves" / "pixel.tsv").read_text().split()[2:]
    assert 0.3 < float(first) < 8


def test_seeds_give_different_models(corpus, tmp_path):
    run = tiny_run(train={"steps": 2})
    for seed in range(2):
        run_job(job(corpus, tmp_path / str(seed), run, seed), Worker())
    a, b = (load_file(tmp_path / str(seed) / "model" / "model.safetensors") for seed in range(2))
    assert any((a[name] != b[name]).any() for name in a)


def test_too_many_bad_samples_stop_the_training(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "broken")
    for path in (root / "shards").glob("*.tar"):
        path.unlink()
    run = tiny_run(data={"max_bad": 0.1})
    with pytest.raises(UnusableData):
        run_job(job(root, tmp_path / "job", run), Worker())
    (root / "shards" / "00000.tar").write_bytes((corpus / "shards" / "00000.tar").read_bytes())
    with pytest.raises(UnusableData, match=r"data.max_bad is 0.1, but \d+ of \d+ samples.*unreadable_shard"):
        run_job(job(root, tmp_path / "job2", run), Worker())


def test_more_workers_than_samples_are_refused(corpus, tmp_path):
    run = tiny_run(train={"workers": 11, "batch_size": 11})
    with pytest.raises(ParamError, match=r"train.workers is 11: 10 samples cannot be shared"):
        run_job(job(corpus, tmp_path, run), Worker(world=11))


def test_cached_maps_are_used_only_for_their_own_backbone_and_size(tmp_path):
    frozen = {**tiny_run(), "model": tiny_model(frozen=True)}
    made = Job(run=frozen, seed=0, data=str(tmp_path), folder="", corpus="")
    assert cached_features(made) is None  # nothing was cached
    about = {"backbone": "conv", "image": backbone_of(frozen["model"]["image"]), "size": 32}
    files.write_json(tmp_path / "features" / "features.json", about)
    assert cached_features(made) == str(tmp_path / "features")
    frozen["model"]["image"]["width"] *= 2  # of the pyramid above the backbone
    assert cached_features(made) == str(tmp_path / "features")
    files.write_json(tmp_path / "features" / "features.json", {**about, "size": 64})
    assert cached_features(made) is None
    training = Job(run=tiny_run(), seed=0, data=str(tmp_path), folder="", corpus="")
    assert cached_features(training) is None


def test_the_fingerprint_follows_the_data_and_the_teacher(corpus, tmp_path):
    root = shutil.copytree(corpus, tmp_path / "copy")
    first = data_fingerprint(str(corpus), "masks")
    assert data_fingerprint(str(root), "masks") == first
    assert data_fingerprint(str(root), None) != first
    shutil.copy(root / "labelled" / "L0000.parquet", root / "labelled" / "L0001.parquet")
    assert data_fingerprint(str(root), "masks") != first
    assert code_fingerprint() == code_fingerprint()
