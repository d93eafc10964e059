"""Training on real Ray Train workers, undisturbed and killed."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray
from tiny_data import make_corpus
from training_sections import tiny_run, train_settings

from ovseg_core import files
from ovseg_core.run_log import RunLog
from ovseg_core.training.job import run_job
from ovseg_core.training.loop import Worker
from pipelines import training
from pipelines.cluster import ClusterSettings

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ClusterSettings(num_cpus=4, workers=2, trainings=1)
SLOW = {
    "steps": 60,
    "checkpoint_every": 7,
    "log_every": 5,
}  # enough steps to be killed in the middle of an epoch


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), captioned=[20, 20, 15], labelled=[15, 15])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def train(run: dict, corpus: Path, out: Path, seed: int = 0, cluster: ClusterSettings = CLUSTER) -> RunLog:
    with RunLog("train", None) as log:
        training.train(run, seed, corpus, out, cluster, log)
    return log


def train_workers(parent: psutil.Process) -> list[psutil.Process]:
    """Ray Train workers among the descendants of a process, first started first."""
    found = []
    for process in parent.children(recursive=True):
        try:
            if "RayTrainWorker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda process: process.create_time())


def kill_once_at(step: int, storage: Path, parent: psutil.Process, killed: list[int]) -> None:
    """Kill -9 one training worker as soon as the training reports `step`."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not killed:
        for path in storage.glob("train/*/progress.json"):
            workers = train_workers(parent)
            if workers and files.read_json(path)["step"] >= step:
                workers[-1].send_signal(signal.SIGKILL)
                killed.append(workers[-1].pid)
        time.sleep(0.05)


def in_storage(run: dict, storage: Path) -> dict:
    return {**run, "train": {**run["train"], "storage": str(storage)}}


def test_one_worker_gives_what_the_loop_gives_also_when_it_is_killed(local_ray, corpus, tmp_path):
    run = in_storage(tiny_run(train=SLOW), tmp_path / "work")
    job = training.make_job(run, 0, corpus, train_settings(**run["train"]))
    run_job(dataclasses.replace(job, folder=str(tmp_path / "loop")), Worker())

    killed: list[int] = []
    watch = threading.Thread(target=kill_once_at, args=(20, tmp_path / "work", psutil.Process(), killed))
    watch.start()
    log = train(run, corpus, tmp_path / "killed")
    watch.join()
    assert killed
    assert contents(tmp_path / "killed") == contents(tmp_path / "loop" / "model")
    assert not list((tmp_path / "work" / "train").iterdir()), "the working folder goes when training is done"
    assert log.items == 60 * 8
    assert log.facts["waiting_for_data"] <= 1


def test_two_workers_agree_also_when_one_is_killed(local_ray, corpus, tmp_path):
    run = tiny_run("clip_dense", train={**SLOW, "workers": 2, "accumulate": 2})
    train(in_storage(run, tmp_path / "first"), corpus, tmp_path / "whole")
    killed: list[int] = []
    watch = threading.Thread(target=kill_once_at, args=(20, tmp_path / "second", psutil.Process(), killed))
    watch.start()
    train(in_storage(run, tmp_path / "second"), corpus, tmp_path / "killed")
    watch.join()
    assert killed
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_broken_loss_on_one_of_two_workers_ends_with_the_samples_named(local_ray, corpus, tmp_path):
    run = tiny_run(train={"workers": 2, "lr": 1e30, "steps": 6, "clip_norm": None, "warmup_steps": 0})
    with pytest.raises(training.TrainingFailed, match=r"step \d: .*'L0000\d+'.*weights were not updated"):
        train(in_storage(run, tmp_path / "work"), corpus, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def stage(project: Path, corpus: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "stages.train", "train.json", "--seed", "0", "--data", str(corpus)]
    return subprocess.Popen(
        [*command, "--out", "model", "--log", "log.json"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(300)
def test_a_killed_stage_goes_on_where_it_was(corpus, tmp_path):
    run = tiny_run(train={**SLOW, "steps": 80})
    files.write_json(tmp_path / "train.json", run)
    (tmp_path / "params.yaml").write_text("cluster: {num_cpus: 2, workers: 1, trainings: 1}\n")
    first = stage(tmp_path, corpus)
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(tmp_path.glob("work/train/*/state.safetensors")):
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    workers = train_workers(psutil.Process(first.pid))
    first.kill()
    first.wait()
    assert workers
    assert psutil.wait_procs(workers, timeout=60)[1] == [], "workers end with the stage"
    assert not (tmp_path / "model").exists()
    [state] = tmp_path.glob("work/train/*/state.safetensors")
    second = stage(tmp_path, corpus)
    assert second.wait() == 0, second.communicate()[1]
    assert not state.exists()

    job = training.make_job(run, 0, corpus, train_settings(**run["train"]))
    run_job(dataclasses.replace(job, folder=str(tmp_path / "loop")), Worker())
    assert contents(tmp_path / "model") == contents(tmp_path / "loop" / "model")
    assert files.read_json(tmp_path / "log.json")["steps"] == 80


def test_an_end_that_was_not_published_is_published_without_training(corpus, tmp_path):
    run = in_storage(tiny_run(train={"steps": 2}), tmp_path / "work")
    job = training.make_job(run, 0, corpus, train_settings(**run["train"]))
    run_job(job, Worker())
    expected = contents(Path(job.model))
    train(run, corpus, tmp_path / "model")  # needs no Ray: the work is done
    assert contents(tmp_path / "model") == expected


def test_a_worker_gets_a_cpu_per_thread_where_the_machine_has_them():
    settings = train_settings(threads=4, workers=2)
    assert training.cpus_of_a_worker(settings, available=16) == 4
    assert training.cpus_of_a_worker(settings, available=2) == 1


def test_trainings_that_go_at_once_share_the_cpus(local_ray, corpus, tmp_path):
    held = ray.cluster_resources()["CPU"] / 2

    @ray.remote(num_cpus=held)
    class OfAnotherTraining:
        def is_there(self):
            return True

    other = OfAnotherTraining.remote()
    assert ray.get(other.is_there.remote())
    run = in_storage(tiny_run(train={"steps": 1, "threads": int(2 * held)}), tmp_path / "work")
    train(
        run, corpus, tmp_path / "model", cluster=dataclasses.replace(CLUSTER, trainings=2)
    )  # in the other half
    ray.kill(other)
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_a_run_may_start_from_the_model_of_its_own_seed(corpus, tmp_path):
    run = tiny_run(train={"steps": 1, "start": f"{tmp_path}/first/{{seed}}"})
    with pytest.raises(FileNotFoundError, match=r"first/7/model\.safetensors"):
        train(run, corpus, tmp_path / "model", seed=7)
    fresh = {"train": {"start": None}}
    assert training.at_seed(fresh, 7) == fresh
