"""The stages of one `dvc repro` share a Ray, which ends with it: the real DVC, the real Ray."""

import os
from pathlib import Path

import pytest

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
with connect(ClusterSettings(num_cpus=1, workers=1)):
    import ray
    @ray.remote
    def say():
        import os
        return os.environ["MALLOC_TRIM_THRESHOLD_"]
    here = ray.get_runtime_context()
    lines = [here.gcs_address, here.get_job_id(), ray.get(say.remote())]
pathlib.Path(sys.argv[1]).write_text("\\n".join(lines))
"""
RAY = ClusterSettings(num_cpus=2, workers=1)


def test_stages_share_a_ray_that_starts_where_there_is_something_to_do(tmp_path, monkeypatch, capfd):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    for name, content in {"dvc.yaml": GRAPH, "params.yaml": "number: 3\n", "stage.py": STAGE}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
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
    with pytest.raises(AssertionError, match="not needed"):
        repro.reproduce(RAY)
