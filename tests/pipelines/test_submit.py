"""What a job is given to run, and how its results come back: the real packaging of Ray, the real DVC."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines import submit
from pipelines.job import run as job

GRAPH = """
stages:
  double:
    cmd: python double.py
    params: [number]
    deps: [double.py]
    outs:
      - double.txt: {persist: true}
  square:
    cmd: python square.py
    deps: [square.py, double.txt]
    outs: [square]
"""
DOUBLE = """
import pathlib, re
number = int(re.search("[0-9]+", pathlib.Path("params.yaml").read_text())[0])
pathlib.Path("double.txt").write_text(str(2 * number))
"""
SQUARE = """
import pathlib
pathlib.Path("square").mkdir()
pathlib.Path("square/value.txt").write_text(str(int(pathlib.Path("double.txt").read_text()) ** 2))
"""
PARAMS = "number: 3\ncluster: {num_cpus: 2, workers: 1, trainings: 2}\n"


def project(folder: Path) -> Path:
    """A graph of two stages: n -> 2n -> (2n)^2."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    contents = {"dvc.yaml": GRAPH, "params.yaml": PARAMS, "double.py": DOUBLE, "square.py": SQUARE}
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def test_what_the_job_made_is_here_afterwards_and_nothing_is_left_to_compute(tmp_path, monkeypatch, capfd):
    here, copy, remote = project(tmp_path / "here"), project(tmp_path / "copy"), str(tmp_path / "remote")
    monkeypatch.chdir(copy)
    assert job.reproduce(remote, "job-1") == 0
    shutil.rmtree(copy)  # a cluster keeps nothing for us

    assert submit.bring_back(remote, "job-1", here)
    assert (here / "square" / "value.txt").read_text() == "36"
    capfd.readouterr()
    assert job.dvc("repro", project=here) == 0
    said = capfd.readouterr().out
    assert "Stage 'double' didn't change" in said
    assert "Stage 'square' didn't change" in said
    assert "Running stage" not in said


def test_a_failed_job_brings_back_what_it_finished(tmp_path, monkeypatch, capfd):
    here, copy, remote = project(tmp_path / "here"), project(tmp_path / "copy"), str(tmp_path / "remote")
    for folder in (here, copy):
        (folder / "square.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(copy)
    assert job.reproduce(remote, "job-2") != 0

    assert submit.bring_back(remote, "job-2", here)
    assert (here / "double.txt").read_text() == "6"
    capfd.readouterr()
    assert job.dvc("repro", project=here) != 0
    assert "Stage 'double' didn't change" in capfd.readouterr().out


def test_a_job_that_left_nothing_is_told_apart(tmp_path):
    assert not submit.bring_back(str(tmp_path), "job-3", project(tmp_path / "here"))


def test_a_remote_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(project(tmp_path / "copy"))
    (tmp_path / "file").write_text("a file is no folder")
    monkeypatch.setattr(sys, "argv", ["run", "--remote", str(tmp_path / "file"), "--job", "job-4"])
    with pytest.raises(SystemExit, match="cannot be written from here"):
        job.main()
    assert not Path("double.txt").exists()


def test_a_cluster_elsewhere_needs_a_remote():
    with pytest.raises(ValueError, match="--remote is not given"):
        submit.submit("http://10.0.0.7:8265")


@pytest.fixture
def uploaded(tmp_path) -> set[str]:
    """Names in the package that Ray makes of a checkout with data, caches and history in it."""
    from ray._private.runtime_env import packaging

    tree = tmp_path / "tree"
    for name in (
        *(
            "dvc.yaml",
            "dvc.lock",
            "params.yaml",
            ".dvc/config",
            "stages/train.py",
            "pipelines/job/dvc/config",
        ),
        *("ovseg_core/models/towers.py", "ovseg_core/text/words.txt", "tests/data/small.json"),
        *(".git/HEAD", ".venv/bin/python", ".uv/bin/uv", ".dvc/cache/files/md5/00/1", ".dvc/tmp/lock"),
        *(
            ".dvc/config.local",
            "data/shards/00000.tar",
            "models/openseg/0/model.safetensors",
            "docs/report.png",
        ),
        *("reports/index.html", "logs/web.json", "work/remote/files/md5/00/1", "stages/__pycache__/run.pyc"),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    for name in (".gitignore", ".rayignore"):
        shutil.copy(submit.ROOT / name, tree / name)
    excludes = YAML(typ="safe").load(submit.RUNTIME_ENV)["excludes"]
    target = tmp_path / "package.zip"
    packaging.create_package(str(tree), target, include_gitignore=True, excludes=excludes)
    return {name for name in zipfile.ZipFile(target).namelist() if not name.endswith("/")}


def test_the_upload_holds_the_project_without_history_caches_and_data(uploaded):
    assert uploaded - {".gitignore", ".rayignore"} == {
        *(
            "dvc.yaml",
            "dvc.lock",
            "params.yaml",
            ".dvc/config",
            "stages/train.py",
            "pipelines/job/dvc/config",
        ),
        *("ovseg_core/models/towers.py", "ovseg_core/text/words.txt", "tests/data/small.json"),
    }
