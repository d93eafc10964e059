"""The whole graph on a tiny world: every stage with its real component, then nothing left to do."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shipped
from ports import free_port

from ovseg_core import files
from pipelines import recipe

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("dvc.yaml", ".dvcignore", "stages", "pipelines", "ovseg_core", "lists")


def dvc(project: Path, *arguments: str) -> str:
    """Run DVC in the project with this interpreter first on the PATH; returns what it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project after `dvc repro` with the recipe `tiny`."""
    folder = tmp_path_factory.mktemp("project")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    port = free_port()
    elsewhere = {"web": {"port": port}, "download": {"allow_private": [f"127.0.0.1:{port}"]}}
    shipped.lay(folder, "tiny", elsewhere)
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "repro")
    return folder


@pytest.mark.timeout(400)
def test_every_stage_leaves_what_the_next_one_reads(project):
    for shards in ("data/shards", "data/labelled"):
        assert files.listing(project / shards, ".tar")
    assert files.listing(project / "data/pseudo/masks", ".parquet")
    for model in ("teacher", "openseg/0", "clip_dense/0"):
        assert (project / "models" / model / "model.safetensors").is_file()
    page = (project / "reports/index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://127.0.0.1", "")
    assert not list((project / "work").glob("train/*")), "a training state stayed behind"


def test_the_comparison_has_a_row_per_reading(project):
    with (project / "reports/comparison.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["run"] for row in rows} == {"openseg", "openseg-no-proposals", "clip_dense"}
    assert {(row["seed"], row["benchmark"]) for row in rows} == {("0", "toy-test")}
    assert all(0 <= float(row["value"]) <= 100 for row in rows if row["metric"] == "miou")


def test_metrics_and_parameters_show_through_dvc(project):
    assert "miou" in dvc(project, "metrics", "show")
    assert "train@openseg-0" in dvc(project, "stage", "list")


def test_a_second_repro_has_nothing_to_do(project):
    assert "up to date" in dvc(project, "repro")


@pytest.mark.parametrize(("name", "stage"), [("entities/mine.txt", "extract"), ("urls/mine.tsv", "web")])
def test_an_edited_list_reruns_the_stage_that_reads_it(project, name, stage):
    listed = project / "lists" / name
    listed.write_text("red fish\n")
    stale = dvc(project, "status", "resolve", "web", "extract")
    listed.unlink()
    assert [line for line in stale.splitlines() if line.endswith(":") and not line.startswith("\t")] == [
        f"{stage}:"
    ]


@pytest.mark.timeout(400)
def test_a_line_adds_a_run_that_learns_from_another_ones_labels(project):
    shorter = "self_train.train={steps: 4, batch_size: 8, warmup_steps: 1}"
    recipe.apply([], project / "params.yaml", ["plus={clip_dense: {}}", shorter])
    dvc(project, "repro", "self_evaluate")
    assert (project / "models/clip_dense-plus/0/model.safetensors").is_file()
    scores = files.read_json(project / "reports/runs/clip_dense-plus/0/toy-test/scores.json")
    assert 0 <= scores["miou"] <= 100
    assert "train@clip_dense-0:" not in dvc(project, "status")


def test_one_parameter_reruns_only_what_depends_on_it(project):
    """A change of one run's own settings leaves every other run alone."""
    recipe.apply([], project / "params.yaml", ["runs.clip_dense.train={steps: 7}"])
    dvc(project, "repro", "resolve")
    stale = dvc(project, "status")
    assert "train@clip_dense-0:" in stale
    for stage in ("web", "download", "extract", "curate", "teach", "pseudo_label@masks", "train@openseg-0"):
        assert f"{stage}:" not in stale, stale
