"""The stages of one `dvc repro` share a Ray, which ends with it: the real DVC, the real Ray."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from ovseg_core import files
from pipelines import cluster, repro
from pipelines.cluster import ClusterSettings

GRAPH = """
stages:
  first:
    cmd: python stage.py first.txt
    params: [number]
    outs: [first.txt]
  second:
    cmd: python stage.py second.txt
    deps: [first.txt]
    outs: [second.txt]
"""
STAGE = """
import pathlib, sys
from pipelines.cluster import ClusterSettings, connect
with connect(ClusterSettings(num_cpus=1, workers=1, trainings=1)):
    import ray
    @ray.remote
    def say():
        import os
        return os.environ["MALLOC_TRIM_THRESHOLD_"]
    here = ray.get_runtime_context()
    lines = [here.gcs_address, here.get_job_id(), ray.get(say.remote())]
pathlib.Path(sys.argv[1]).write_text("\\n".join(lines))
"""
SWEEP = """
stages:
  data:
    cmd: python stage.py data data.txt
    outs: [data.txt]
  train:
    matrix: {run: "${runs}", seed: [0]}
    cmd: python stage.py ${item.run} model-${item.run}.txt
    deps: [data.txt]
    params: ["runs.${item.run}"]
    outs: ["model-${item.run}.txt"]
  evaluate:
    matrix: {run: "${runs}", seed: [0]}
    cmd: python stage.py evaluate score-${item.run}.txt
    deps: ["model-${item.run}.txt"]
    outs: ["score-${item.run}.txt"]
  oracle:
    cmd: python stage.py oracle oracle.txt
    deps: [data.txt]
    outs: [oracle.txt]
  report:
    cmd: python stage.py report report.txt
    deps: [score-a.txt, score-b.txt, oracle.txt]
    outs: [report.txt]
"""
MEET = """
import pathlib, sys, time
what, out = sys.argv[1:]
with open("order.txt", "a") as order:
    print(out, file=order)
if what in ("a", "b"):  # a training waits until the other one has started too
    pathlib.Path(what + ".started").touch()
    ends = time.monotonic() + 60
    while not (pathlib.Path("a.started").exists() and pathlib.Path("b.started").exists()):
        assert time.monotonic() < ends, "the other training did not start"
        time.sleep(0.05)
assert what != pathlib.Path("broken.txt").read_text()
pathlib.Path(out).write_text(what)
"""
RAY = ClusterSettings(num_cpus=2, workers=1, trainings=1)


def project(folder: Path, monkeypatch, **contents: str) -> None:
    """A DVC project in `folder`, which becomes the current one."""
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_text(content)
    monkeypatch.chdir(folder)


def test_trainings_go_side_by_side_each_with_what_follows_from_it(tmp_path, monkeypatch):
    settings = ClusterSettings(num_cpus=2, workers=1, trainings=2)
    runs = "runs: {a: 1, b: 1}\n"
    project(tmp_path, monkeypatch, dvc_yaml=SWEEP, params_yaml=runs, stage_py=MEET, broken_txt="a")
    monkeypatch.setattr(cluster, "keep", lambda _: nullcontext())  # these stages need no Ray
    assert repro.reproduce(settings) != 0
    assert not Path("report.txt").exists()
    Path("broken.txt").write_text("")
    assert repro.reproduce(settings) == 0
    made = Path("order.txt").read_text().split()
    assert made.count("data.txt") == made.count("model-b.txt") == 1, "what was finished was made again"
    assert set(made[-2:]) == {"oracle.txt", "report.txt"}
    assert made.index("model-a.txt") < made.index("score-a.txt") < made.index("report.txt")
    Path("params.yaml").write_text("runs: {a: 2, b: 1}\n")
    assert repro.branches() == [["train@a-0", "evaluate@a-0"]]
    assert repro.reproduce(settings) == 0
    assert Path("order.txt").read_text().split()[len(made) :] == ["model-a.txt"]  # the same model again


def test_one_training_alone_leaves_the_order_to_dvc(tmp_path, monkeypatch):
    settings = ClusterSettings(num_cpus=2, workers=1, trainings=2)
    runs, one = "runs: {a: 1}\n", SWEEP.replace("score-b.txt, ", "")
    project(tmp_path, monkeypatch, dvc_yaml=one, params_yaml=runs, stage_py=MEET, broken_txt="")
    Path("b.started").touch()
    monkeypatch.setattr(cluster, "keep", lambda _: nullcontext())
    assert repro.reproduce(settings) == 0
    assert Path("order.txt").read_text().split()[-1] == "report.txt"


def test_a_training_that_starts_from_another_one_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, start in (("a", None), ("b-1", "models/teacher"), ("c", "models/a/{seed}")):
        files.write_json(tmp_path / "data" / "runs" / run / "train.json", {"train": {"start": start}})
    assert [repro.starts_from_a_run(f"train@{run}-0") for run in ("a", "b-1", "c")] == [False, False, True]


def test_what_dvc_cannot_read_is_left_to_dvc(tmp_path, monkeypatch, capfd):
    settings = ClusterSettings(num_cpus=2, workers=1, trainings=2)
    broken = SWEEP.replace("outs: [report.txt]", "outs: [score-a.txt]")  # two stages write it
    runs = "runs: {a: 1, b: 1}\n"
    project(tmp_path, monkeypatch, dvc_yaml=broken, params_yaml=runs, stage_py=MEET, broken_txt="")
    monkeypatch.setattr(cluster, "keep", lambda _: nullcontext())
    assert repro.reproduce(settings) != 0
    assert "score-a.txt" in capfd.readouterr().err


def test_stages_share_a_ray_that_starts_where_there_is_something_to_do(tmp_path, monkeypatch, capfd):
    project(tmp_path, monkeypatch, dvc_yaml=GRAPH, params_yaml="number: 3\n", stage_py=STAGE)
    assert repro.reproduce(RAY) == 0
    first, second = (Path(name).read_text().split("\n") for name in ("first.txt", "second.txt"))
    assert first[0] == second[0]
    assert first[1] != second[1]  # drivers of their own
    assert first[2] == second[2] == cluster.LOCAL_ENVIRONMENT["MALLOC_TRIM_THRESHOLD_"]
    assert cluster.KEPT not in os.environ

    def refuse(_settings: ClusterSettings) -> None:
        raise AssertionError("Ray is not needed")

    monkeypatch.setattr(cluster, "keep", refuse)
    capfd.readouterr()
    assert repro.reproduce(RAY) == 0
    assert "up to date" in capfd.readouterr().out
    (tmp_path / "params.yaml").write_text("number: 4\n")
    for targets in ([], ["second"]):  # of the second stage nothing but what the first one makes will change
        with pytest.raises(AssertionError, match="not needed"):
            repro.reproduce(RAY, targets)
