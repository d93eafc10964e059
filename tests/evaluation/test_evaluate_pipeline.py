"""From a model folder to metrics.json, per_class.csv and a gallery."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import shipped
from colour_world import paint, settings, write_benchmark
from PIL import Image
from tiny_model import write_model

from ovseg_core import shards
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.metrics.per_image import from_table
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import CheckpointError
from pipelines.cluster import ClusterSettings, connect
from pipelines.evaluation import evaluate, load_readings

ROOT = Path(__file__).resolve().parents[2]
RAY = ClusterSettings(num_cpus=2, workers=1, trainings=1)
NAMES = ["red", "green", "blue"]
FURTHER = {"dense": settings(use_proposals="none"), "oracle": settings(use_proposals="ground_truth")}


def readings(main="tiny", **further):
    ways = {main: settings(), **further}
    return {"run": main, "method": "openseg", "readings": {name: asdict(way) for name, way in ways.items()}}


@pytest.fixture
def project(tmp_path):
    """A model, a benchmark of five scenes of two sizes, and the readings of a run."""
    rng = np.random.default_rng(0)
    scenes = {}
    for number in range(5):
        labels = np.kron(rng.integers(0, 3, (2, 2)), np.ones((16, 16 + 8 * (number % 2)), int))
        scenes[f"s{number}"] = (labels, paint(labels, NAMES))
    write_benchmark(tmp_path / "benchmarks/toy-val", scenes, held_out=["s4"], subsets={"warm": ["red"]})
    write_model(tmp_path / "models/tiny/0")
    (tmp_path / "evaluate.json").write_text(
        json.dumps(
            readings(dense=settings(use_proposals="none"), oracle=settings(use_proposals="ground_truth"))
        )
    )
    return tmp_path


def run(project, out="out", log=None):
    with RunLog("evaluate", log) as run_log:
        evaluate(
            project / "models/tiny/0",
            project / "evaluate.json",
            project / "benchmarks/toy-val",
            project / out,
            run_log,
            RAY,
        )
    return project / out


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_everything_that_a_number_depends_on_is_written_beside_it(project):
    out = run(project, log=project / "log.json")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["model"] | {"fingerprint": ""} == {
        "run": "tiny", "method": "openseg", "seed": 0, "fingerprint": "", "corpus": "words and scenes",
        "unread_names": [],
    }  # fmt: skip
    protocol = metrics["protocol"]
    assert (protocol["images"], protocol["held_out_images"], protocol["classes"]) == (4, 1, 3)
    assert protocol["queried_names"] == 4
    assert protocol["unit"] == "percent"
    assert "mmsegmentation" in protocol["metric"]
    assert protocol["readings"]["oracle"]["use_proposals"] == "ground_truth"
    assert len(metrics["fingerprint"]) == 32
    main, dense, oracle = (metrics["readings"][name] for name in ("tiny", "dense", "oracle"))
    assert {"miou", "miou_thing", "miou_stuff", "miou_warm", "grounding_miou", "miou_held_out"} <= main.keys()
    assert {"recall_50", "probe_thing_top1", "probe_chance"} <= main.keys()
    assert json.loads((out / "scores.json").read_text()) == main
    assert not {"recall_50", "probe_chance"} & (dense.keys() | oracle.keys())
    assert all(0 <= value <= 100 for numbers in (main, dense, oracle) for value in numbers.values())
    log = json.loads((project / "log.json").read_text())
    assert (log["items"], log["unit"]) == (5, "images")


def test_names_that_no_caption_has_are_said(project, caplog):
    write_model(project / "models/tiny/0", ["red", "dark green"])
    metrics = json.loads((run(project) / "metrics.json").read_text())
    unread = metrics["model"]["unread_names"]
    assert "blue" in unread
    assert not {"red", "green"} & set(unread)
    assert f"{len(unread)} of 4 names are in none of the captions: " in caplog.text


def test_classes_and_gallery_hold_every_reading(project):
    out = run(project)
    rows = list(csv.DictReader(io.StringIO((out / "per_class.csv").read_text())))
    assert len(rows) == 9
    green = next(row for row in rows if (row["reading"], row["class"]) == ("tiny", "green"))
    assert green["kind"] == "thing"
    assert 0 <= float(green["iou"]) <= 100
    assert sum(int(row["pixels"]) for row in rows) == 3 * sum(32 * w for w in (32, 48, 32, 48))
    index = json.loads((out / "gallery/index.json").read_text())
    assert (len(index["ids"]), index["readings"]) == (2, ["tiny", "dense", "oracle"])
    assert [entry["name"] for entry in index["legend"]] == NAMES
    key = index["ids"][0]
    with (
        Image.open(out / f"gallery/{key}.truth.map.png") as truth,
        Image.open(project / f"benchmarks/toy-val/SegmentationClass/{key}.png") as given,
    ):
        assert np.array_equal(np.asarray(truth), np.asarray(given))
    with Image.open(out / f"gallery/{key}.dense.map.png") as guess:
        assert guess.size == given.size
        assert set(np.unique(np.asarray(guess))) <= {0, 1, 2}
    kinds = ["image", "truth", "truth.map", *(n + e for n in index["readings"] for e in ("", ".map"))]
    assert {p.name for p in (out / "gallery").glob("*.png")} == {
        f"{key}.{kind}.png" for key in index["ids"] for kind in kinds
    }


def test_a_model_that_names_nothing_has_numbers_and_no_class_maps(project):
    masks = {"num_regions": 4, "layers": 1, "positions": 8, "quality_weight": 0.0}
    write_model(project / "models/tiny/0", method="masks", settings=masks)
    (project / "evaluate.json").write_text(json.dumps(readings()))
    out = run(project)
    assert json.loads((out / "scores.json").read_text()).keys() >= {"recall_50", "mask_probe"}
    index = json.loads((out / "gallery/index.json").read_text())
    assert (len(index["ids"]), index["readings"]) == (2, [])


def test_the_same_model_gives_the_same_bytes_and_stale_pictures_go(project):
    first = contents(run(project))
    stale = project / "out/gallery/s9.old.png"
    stale.write_bytes(b"old")
    assert contents(run(project)) == first


def test_two_ray_workers_give_the_bytes_of_one_process(project):
    alone = contents(run(project))
    spread = readings(**FURTHER)
    spread["readings"]["tiny"]["workers"] = 2
    (project / "evaluate.json").write_text(json.dumps(spread))
    with connect(RAY):
        assert contents(run(project, "spread")) == alone


def test_the_stage_runs_from_the_command_line(project):
    command = [sys.executable, "-m", "stages.evaluate", "models/tiny/0", "evaluate.json"]
    command += ["--benchmark", "toy-val", "--benchmarks", "benchmarks", "--out", "cell", "--log", "log.json"]
    shipped.lay(project)
    done = subprocess.run(command, cwd=project, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(project / "cell") == contents(run(project))
    assert "5 images in" in done.stderr


def test_another_vocabulary_than_the_models_is_refused(project):
    config = project / "models/tiny/0/config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"words": ["cat", "dog"]}))
    with pytest.raises(CheckpointError, match="another vocabulary"):
        run(project)


def test_another_method_than_the_weights_is_refused(project):
    config = project / "models/tiny/0/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"method": "clip_dense"}))
    with pytest.raises(CheckpointError, match=r"'openseg'.*'clip_dense'"):
        run(project)


def test_a_broken_benchmark_leaves_no_metrics_behind(project):
    (project / "benchmarks/toy-val/SegmentationClass/s3.png").write_bytes(b"nothing")
    with pytest.raises(BenchmarkError, match=r"s3\.png cannot be read"):
        run(project)
    assert not (project / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (readings("truth"), "runs.truth.readings is 'truth'"),
        (readings(**{"../up": settings()}), r"runs.tiny.readings is '\.\./up'"),
        (readings() | {"run": "other"}, r"has \['tiny'\]; it has to have the run itself, 'other'"),
        (
            readings() | {"readings": {"tiny": asdict(settings()) | {"centring": 2}}},
            "evaluate.centring is 2.0",
        ),
        (
            readings() | {"readings": {"tiny": asdict(settings()) | {"prompts": "100"}}},
            "prompts is '100'; accepted: s",
        ),
    ],
)
def test_wrong_readings_are_refused_before_any_work(tmp_path, content, message):
    (tmp_path / "evaluate.json").write_text(json.dumps(content))
    with pytest.raises(ParamError, match=message):
        load_readings(tmp_path / "evaluate.json")


def test_the_counts_of_every_image_come_to_the_same_means(project):
    out = run(project)
    numbers = json.loads((out / "metrics.json").read_text())["readings"]
    table = shards.read_table(out / "per_image.parquet")
    seen, compared = ["s0", "s1", "s2", "s3"], set()  # s4 is held out
    kinds = {"thing": [0, 1], "stuff": [2], "": [0, 1, 2]}
    for key in table.group_by(["reading", "metric"]).aggregate([]).to_pylist():
        part = table.filter((pc.field("reading") == key["reading"]) & (pc.field("metric") == key["metric"]))
        counted = from_table(part, len(NAMES))
        assert sorted(counted.rows) == (["s4"] if "held_out" in key["metric"] else seen)
        for kind, classes in kinds.items():
            name = f"{key['metric']}_{kind}" if kind else key["metric"]
            if name in numbers[key["reading"]]:
                expected = numbers[key["reading"]][name]
                assert 100 * counted.compute(classes=classes)["miou"] == pytest.approx(expected, abs=1e-4)
                compared.add(name)
    assert compared >= {"miou", "miou_stuff", "miou_held_out_thing", "grounding_miou_thing", "recall_50"}
    of_kinds = {(row["kind"], row["class"]) for row in table.select(["kind", "class"]).to_pylist()}
    assert of_kinds == {("thing", 0), ("thing", 1), ("stuff", 2), ("", 0)}  # a recall knows no classes
