"""Labelling on real Ray actors, undisturbed and killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import shipped
import torch
from ruamel.yaml import YAML
from safetensors.torch import save_file
from tiny_data import make_corpus
from training_sections import tiny_model, tiny_run

from ovseg_core import files, params, shards
from ovseg_core.masks import rle
from ovseg_core.masks.mask_table import HASH
from ovseg_core.methods.registry import build
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.settings import named
from ovseg_core.training.checkpoint import save_model
from ovseg_core.training.settings import backbone_of
from pipelines import labelling
from pipelines.cluster import ClusterSettings
from pipelines.labeller import Labeller, LabelSettings
from pipelines.labelling import label, make_job

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ClusterSettings(num_cpus=4, workers=2, trainings=1)
TEACHER = {"kind": "mask_model", "threshold": 0.5}
SIZES = [40] * 9 + [7]
VALUES = {
    "actors": 2,
    "num_cpus": 1.0,
    "num_gpus": 0.0,
    "batch_size": 8,
    "precision": "float32",
    "max_bad": 0.5,
}
SETTINGS = LabelSettings(**VALUES)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Ten shards and an untrained teacher."""
    root = make_corpus(tmp_path_factory.mktemp("corpus"), captioned=SIZES, labelled=[])
    save_teacher(root / "teacher", tiny_model())
    return root


def save_teacher(folder: Path, model: dict) -> None:
    torch.manual_seed(0)
    settings = tiny_run()["settings"]
    config = {"run": "teacher", "method": "masks", "settings": settings, "model": model, "words": ["red"]}
    save_model(str(folder), build("masks", settings, model, ["red"]).state_dict(), config)


def run(root: Path, out: Path, **changes: object) -> RunLog:
    with RunLog("pseudo_label", None) as log:
        settings = LabelSettings(**{**VALUES, **changes})
        label(TEACHER, root / "teacher", root / "shards", root / "features", out, settings, CLUSTER, log)
    return log


def by_hand(root: Path, out: Path, settings: LabelSettings = SETTINGS) -> dict[str, bytes]:
    """What one Labeller in this process writes for every shard."""
    job = make_job(TEACHER, root / "teacher", root / "shards", root / "features", out, settings)
    worker = Labeller(job)
    for shard in job.stamps:
        worker(shard)
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("[!.]*.parquet"))}


def test_a_shard_holds_what_the_teacher_says(root, tmp_path):
    by_hand(root, tmp_path)
    table = shards.read_table(tmp_path / "00009.parquet")
    assert table["key"].to_pylist() == [f"00009{row:04d}" for row in range(7)]
    assert table["size"].to_pylist() == [[32, 32]] * 7
    assert table.schema.metadata[HASH] == files.digest(root / "teacher" / "model.safetensors").encode()
    first = table["masks"][0].as_py()
    assert len(first) == 4  # all of the teacher's masks, before any threshold
    for mask in first:
        decoded = rle.decode([{"size": [32, 32], "counts": mask["counts"]}])[0]
        assert 0 <= mask["score"] <= 1
        if decoded.any():
            rows, columns = np.nonzero(decoded)
            assert mask["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_actors_write_what_one_worker_writes_and_only_what_is_missing(local_ray, root, tmp_path):
    expected = by_hand(root, tmp_path / "hand")
    out = tmp_path / "actors"
    log = run(root, out)
    assert contents(out) == expected
    assert (log.items, dict(log.drops), log.facts) == (367, {}, {"shards": 10, "shards_kept": 0})
    before = times(out)
    (out / "00003.parquet").unlink()
    (out / ".partial-77-00004.parquet").write_bytes(b"half")
    shutil.copy(out / "00000.parquet", out / "00042.parquet")  # of a shard that is no more
    log = run(root, out)
    assert log.facts == {"shards": 1, "shards_kept": 9}
    assert contents(out) == expected
    assert {name for name, at in times(out).items() if at != before[name]} == {"00003.parquet"}


def test_what_makes_the_masks_makes_them_anew(root, tmp_path, monkeypatch):
    def stamps(teacher=TEACHER, settings=SETTINGS, folder=root) -> set[str]:
        made = make_job(
            teacher, folder / "teacher", folder / "shards", folder / "features", tmp_path, settings
        )
        return set(made.stamps.values())

    assert stamps() == stamps(settings=LabelSettings(**{**VALUES, "actors": 7}))
    assert not stamps() & stamps(teacher={**TEACHER, "threshold": 0.4})
    other = shutil.copytree(root, tmp_path / "other")
    shutil.copy(other / "shards" / "00000.parquet", other / "shards" / "00001.parquet")
    assert len(stamps() & stamps(folder=other)) == 9
    save_teacher(other / "teacher", tiny_model(width=16))
    assert not stamps() & stamps(folder=other)
    first = stamps()
    monkeypatch.setattr(labelling, "LABELLER", __file__)  # other code
    assert not stamps() & first


def test_bad_samples_have_no_masks_and_are_counted(root, tmp_path):
    broken = shutil.copytree(root, tmp_path / "broken")
    tar = broken / "shards" / "00009.tar"
    samples = list(shards.read_tar(tar))
    samples[2]["jpg"] = b"no image"
    del samples[4]["jpg"]
    shards.write_tar(tar, samples[:6])  # and the last one is gone
    job = make_job(
        TEACHER, broken / "teacher", broken / "shards", broken / "features", tmp_path / "out", SETTINGS
    )
    report = Labeller(job)(str(broken / "shards" / "00009"))
    assert report == {"images": 7, "undecodable_image": 1, "no_image": 1, "missing_sample": 1}
    table = shards.read_table(tmp_path / "out" / "00009.parquet")
    assert [len(masks) for masks in table["masks"].to_pylist()] == [4, 4, 0, 4, 0, 4, 0]


def test_too_many_bad_samples_fail_the_stage_after_the_rest_is_written(local_ray, root, tmp_path):
    broken = shutil.copytree(root, tmp_path / "broken")
    for path in sorted((broken / "shards").glob("*.tar"))[:-1]:
        path.write_bytes(b"")
    with pytest.raises(
        ParamError, match=r"pseudo_label.max_bad is 0.5, but 360 of 367 images.*missing_sample"
    ):
        run(broken, tmp_path / "out", actors=1)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 10
    with pytest.raises(ParamError, match="360 of 367 images"):  # also when nothing is left to label
        run(broken, tmp_path / "out", actors=1)


def test_what_a_teacher_refuses_in_its_actor_is_told_in_one_line(local_ray, root, tmp_path):
    """The features have 3 x 3 locations: only the teacher's own process knows."""
    image = {**tiny_model()["image"], "frozen": True}
    given = {**CLUSTERS, "features": "timm:vit_tiny_patch16_224", "size": 48, "clusters": 10}
    settings = LabelSettings(**{**VALUES, "actors": 1})
    with RunLog("pseudo_label", None) as log, pytest.raises(ParamError) as error, named("groups"):
        label(given, "", root / "shards", root / "features", tmp_path, settings, CLUSTER, log, image)
    assert str(error.value).startswith("teachers.groups.clusters is 10; accepted: at most 9, the 3x3")
    assert "Traceback" not in str(error.value)


def test_nothing_to_label_is_no_error(tmp_path, root):
    (tmp_path / "shards").mkdir()
    shutil.copytree(root / "teacher", tmp_path / "teacher")
    log = run(tmp_path, tmp_path / "out")  # starts no Ray
    assert log.facts == {"shards": 0, "shards_kept": 0}


def test_cached_maps_stand_for_images(root, tmp_path):
    frozen = shutil.copytree(root, tmp_path / "frozen")
    model = tiny_model(frozen=True)
    save_teacher(frozen / "teacher", model)
    plain = by_hand(frozen, tmp_path / "plain")
    files.write_json(
        frozen / "features" / "features.json",
        {"backbone": "conv", "image": backbone_of(model["image"]), "size": 32},
    )
    torch.manual_seed(0)
    tower = build("masks", tiny_run()["settings"], model, ["red"]).image
    for number, size in enumerate(SIZES):
        raw = shards.read_tar(frozen / "shards" / f"{number:05d}.tar")
        images = np.stack([shards.decode_sample(sample).image for sample in raw])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        maps = {f"level{i}": level.contiguous() for i, level in enumerate(tower.frozen_maps(pixels))}
        path = frozen / "features" / f"{number:05d}.safetensors"
        mean = maps[max(maps)].mean((2, 3))
        save_file({**maps, "mean": mean, "valid": torch.ones(size, dtype=torch.bool)}, path)
    cached = by_hand(frozen, tmp_path / "cached")
    for name in plain:
        masks = [
            shards.read_table(tmp_path / kind / name)["masks"].to_pylist() for kind in ("plain", "cached")
        ]
        scores = [[mask["score"] for row in some for mask in row] for some in masks]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert cached != plain  # the stamp says what they were made from


def children_named(parent: psutil.Process, part: str) -> list[psutil.Process]:
    found = []
    for process in parent.children(recursive=True):
        try:
            if part in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(count: int, out: Path, alive=lambda: True) -> bool:
    """True once `count` shards are finished, False when it is too late."""
    until = time.monotonic() + 120
    while time.monotonic() < until and alive():
        finished = len(list(out.glob("[!.]*.parquet")))  # a partial file may still vanish
        if finished >= count:
            return finished < len(SIZES)
        time.sleep(0.01)
    return False


def test_a_killed_actor_changes_nothing(local_ray, root, tmp_path):
    expected = by_hand(root, tmp_path / "hand")
    killed: list[int] = []

    def kill() -> None:
        if wait_for(2, tmp_path / "out"):
            [victim, *_] = children_named(psutil.Process(), "ray::_Actor")
            victim.send_signal(signal.SIGKILL)
            (tmp_path / "out" / ".partial-1-00003.parquet").write_bytes(b"cut in the middle")
            killed.append(victim.pid)

    watch = threading.Thread(target=kill)
    watch.start()
    run(root, tmp_path / "out")
    watch.join()
    assert killed
    assert contents(tmp_path / "out") == expected


def start_stage(project: Path, root: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "stages.pseudo_label", "masks", str(root / "shards"), "--out", "out"]
    given = ["--model", str(root / "teacher"), "--features", str(root / "features"), "--log", "log.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *given], cwd=project, env=environment, stderr=subprocess.PIPE, text=True
    )


def test_a_killed_stage_keeps_what_it_finished(root, tmp_path):
    settings = {**VALUES, "actors": 1, "batch_size": 1}  # slow enough to be killed in the middle
    changes = {"cluster": {"num_cpus": 1}, "pseudo_label": settings, "model": tiny_model()}
    sections = params.merge(shipped.DEFAULT, changes)
    YAML().dump(sections, tmp_path / "params.yaml")
    expected = by_hand(root, tmp_path / "hand", LabelSettings(**settings))
    first = start_stage(tmp_path, root)
    assert wait_for(3, tmp_path / "out", alive=lambda: first.poll() is None)
    actors = children_named(psutil.Process(first.pid), "ray::_Actor")
    first.kill()
    first.wait()
    psutil.wait_procs(actors, timeout=60)
    before = times(tmp_path / "out")
    assert 3 <= len(before) < 10
    second = start_stage(tmp_path, root)
    assert second.wait() == 0, second.communicate()[1]
    assert contents(tmp_path / "out") == expected
    assert {name: at for name, at in times(tmp_path / "out").items() if name in before} == before
    assert files.read_json(tmp_path / "log.json")["shards_kept"] == len(before)


CLUSTERS = {
    "kind": "kmeans",
    "features": "colour",
    "weights": None,
    "size": 32,
    "window": 2,
    "clusters": 4,
    "feature_scale": 1.0,
    "position_weight": 0.0,
    "merge": 0.1,
    "connected": True,
    "min_area": 0.02,
}


def cluster_job(root: Path, out: Path, image: dict, **changes: object):
    given = {**CLUSTERS, **changes}
    return make_job(given, "no model", root / "shards", root / "features", out, SETTINGS, image)


def test_clusters_need_no_trained_model(root, tmp_path):
    image = tiny_model()["image"]
    job = cluster_job(root, tmp_path, image)
    [shard, *_] = job.stamps
    Labeller(job)(shard)
    table = shards.read_table(tmp_path / "00000.parquet")
    assert table.schema.metadata[HASH] == b""
    masks = [
        rle.decode([{"size": [32, 32], "counts": m["counts"]} for m in row])
        for row in table["masks"].to_pylist()
    ]
    assert all((some.sum(0) == 1).all() for some in masks)
    assert min(map(len, masks)) == 2  # the square and what is around it
    other = tiny_model(width=16)["image"]
    assert cluster_job(root, tmp_path, other).stamps == job.stamps  # it does not read model.image
    assert not set(cluster_job(root, tmp_path, image, clusters=5).stamps.values()) & set(job.stamps.values())


def test_clusters_of_a_frozen_backbone_read_its_cached_maps_of_their_size(root, tmp_path):
    frozen = tiny_model(frozen=True)["image"]
    given = shutil.copytree(root, tmp_path / "frozen")
    about = {"backbone": "conv", "image": backbone_of(frozen), "size": 32}
    files.write_json(given / "features" / "features.json", about)
    assert cluster_job(given, tmp_path, frozen, features="backbone").use_maps
    assert not cluster_job(given, tmp_path, frozen, features="backbone", size=64).use_maps
    assert not cluster_job(given, tmp_path, frozen).use_maps
    assert not cluster_job(given, tmp_path, tiny_model()["image"], features="backbone").use_maps
