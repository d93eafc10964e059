"""A model that knows colours labels images pixel by pixel; a segmenter learns from what it says."""

import shutil

import numpy as np
import pyarrow as pa
import pytest
import shipped
import torch
from colour_world import COLOURS, ColourMethod, write_benchmark
from PIL import Image
from tiny_data import make_corpus
from tiny_model import write_model
from training_sections import DATA, TRAIN, data_settings, tiny_model

from ovseg_core import files, params, shards
from ovseg_core.benchmarks.benchmark import BenchmarkError
from ovseg_core.benchmarks.training_images import training_images
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import CheckpointError, load_model
from ovseg_core.training.corpus import DataFolders, read_samples
from ovseg_core.training.identity import Job
from ovseg_core.training.job import run_job
from ovseg_core.training.loop import Worker
from ovseg_core.training.samples import decode
from ovseg_core.training.shard_cache import LoadedShard
from pipelines import self_labeller, self_labelling, settings, shard_map
from pipelines.cluster import ClusterSettings
from pipelines.self_labeller import SelfLabeller
from pipelines.self_labelling import label, make_job, write_corpus

CLUSTER = ClusterSettings(num_cpus=2, workers=1, trainings=1)
NAMES = ("red", "green, lime", "blue", "white")


class Knowing(ColourMethod):
    """It also has a temperature: sharp, so that pure colours are certain."""

    log_temperature = torch.tensor(0.02).log()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with a model, a benchmark of four colours, and three shards of coloured squares."""
    monkeypatch.setattr(self_labeller, "load_model", lambda folder: Knowing())
    files.write_bytes(tmp_path / "model" / "model.safetensors", b"weights")
    config = {"format": 1, "method": "openseg", "settings": {}, "model": {}, "words": []}
    files.write_json(tmp_path / "model" / "config.json", config)
    red = np.full((4, 4, 3), COLOURS["red"], np.uint8)
    truth = np.zeros((4, 4), np.uint8)
    write_benchmark(tmp_path / "benchmarks" / "colours", {"a": (truth, red)}, NAMES)
    write_benchmark(
        tmp_path / "benchmarks" / "rest", {"a": (truth, red)}, NAMES, background={"index": 3, "names": []}
    )
    make_corpus(tmp_path / "data", captioned=[5, 5, 2], labelled=[])
    return tmp_path


def given(world, **change):
    values = shipped.DEFAULT
    reading = params.merge(
        values["evaluate"], {"use_proposals": "none", "background": change.pop("rule", "benchmark")}
    )
    own = {**values["self_label"], "benchmark": "colours", "actors": 1}
    own |= {"images": str(world / "data" / "shards"), **change}
    return {"run": "a-plus", "of": "a", "reading": reading, "label": own}


def job(world, out, **change):
    return make_job(given(world, **change), world / "model", world / "benchmarks", out)


def by_hand(made):
    """What one labeller in this process writes."""
    worker = SelfLabeller(made)
    reports = [worker(name) for name in made.sources]
    write_corpus(made)
    return reports


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_pixel_has_a_class_and_a_confidence(world, tmp_path):
    made = job(world, tmp_path / "out")
    reports = by_hand(made)
    assert reports == [{"images": 5}, {"images": 5}, {"images": 2}]
    [raw, *_] = shards.read_tar(tmp_path / "out" / "labelled" / "00000.tar")
    source = next(shards.read_tar(world / "data" / "shards" / "00000.tar"))
    assert raw["jpg"] == source["jpg"]
    found = shards.decode_segments(raw, (32, 32))
    worker = SelfLabeller(made)
    pixels = torch.from_numpy(shards.decode_image(raw["jpg"]).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        scores = worker.method.score_maps(pixels, worker.queries.embeddings, "none")[0]
    names = np.array(["red", "green", "green", "blue", "white"])  # green has two names
    assert (np.array(found.names)[found.ids - 1] == names[scores.argmax(0).numpy()]).all()
    best = scores[[0, 1, 3, 4]].div(0.02).softmax(0).amax(0).numpy()
    sure = shards.confident(raw, found, 0.9).ids > 0
    assert (sure == (best >= np.floor(255 * 0.9) / 255)).mean() > 0.99


def test_training_reads_it_as_it_reads_human_masks(world, tmp_path):
    by_hand(job(world, tmp_path / "out"))
    raw = {raw["__key__"]: raw for raw in shards.read_tar(tmp_path / "out" / "labelled" / "00000.tar")}
    key = next(iter(raw))
    everything = decode(LoadedShard(raw=raw), key, data_settings(min_confidence=0.0))
    some = decode(LoadedShard(raw=raw), key, data_settings(min_confidence=0.99))
    assert (everything.masks > 0).all()
    assert 0 < (some.masks > 0).sum() < some.masks.size
    kept = some.masks > 0
    assert (some.masks[kept] == everything.masks[kept]).all()
    samples = shards.read_table(tmp_path / "out" / "corpus" / "samples.parquet").to_pylist()
    assert len(samples) == 12
    assert samples[0]["words"] == everything.names


def test_what_is_unsure_may_be_background(world, tmp_path):
    made = job(world, tmp_path / "out", benchmark="rest", below="background", rule="threshold=0.9")
    by_hand(made)
    raw = next(shards.read_tar(tmp_path / "out" / "labelled" / "00000.tar"))
    found = shards.decode_segments(raw, (32, 32))
    assert found.names[-1] == "white"  # the name of the benchmark's background, which is not asked for
    assert "white" not in found.names[:-1]
    assert not (found.ids == len(found.names)).any()
    everywhere = shards.confident(raw, found, 1.0)
    assert (everywhere.ids == len(found.names)).any()
    with pytest.raises(
        ParamError, match=r"self_label\.below is 'background'; accepted: void: colours has no"
    ):
        job(world, tmp_path / "out", below="background")


def test_actors_write_the_same_bytes_and_only_what_is_missing(local_ray, world, tmp_path, monkeypatch):
    """Ray's actors load models from disk: here a real one."""
    folder = write_model(tmp_path / "real")
    one, two = tmp_path / "hand", tmp_path / "actors"
    made = make_job(given(world), folder, world / "benchmarks", one)
    monkeypatch.setattr(self_labeller, "load_model", load_model)
    by_hand(made)

    def run() -> RunLog:
        with RunLog("self_label", None) as log:
            label(given(world), folder, world / "benchmarks", two, CLUSTER, log)
        return log

    log = run()
    assert (log.items, dict(log.drops), log.facts) == (12, {}, {"shards": 3, "shards_kept": 0})
    expected = contents(one)
    assert contents(two) == expected
    (two / "labelled" / "00001.parquet").unlink()  # as a kill between the two files leaves it
    (two / "labelled" / ".partial-7-00001.tar").write_bytes(b"half")
    shutil.copy(two / "labelled" / "00000.tar", two / "labelled" / "00042.tar")  # of a shard that is no more
    assert run().facts == {"shards": 1, "shards_kept": 2}
    assert contents(two) == expected


def test_what_decides_the_labels_decides_the_stamps(world, tmp_path, monkeypatch):
    first = job(world, tmp_path / "out").stamps
    with monkeypatch.context() as patch:
        patch.setattr(self_labelling, "LABELLER", __file__)  # other code
        assert not set(job(world, tmp_path / "out").stamps.values()) & set(first.values())
    assert job(world, tmp_path / "out", actors=7).stamps == first
    assert not set(job(world, tmp_path / "out", benchmark="rest").stamps.values()) & set(first.values())
    rules = ("threshold=0.9", "threshold=0.5")  # applied on reading
    strict, loose = (job(world, tmp_path / "out", benchmark="rest", rule=rule).stamps for rule in rules)
    assert strict == loose
    files.write_bytes(world / "model" / "model.safetensors", b"others")
    assert not set(job(world, tmp_path / "out").stamps.values()) & set(first.values())


def test_a_folder_of_photos_of_any_size(world, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, (name, size) in enumerate([("red", (6, 4)), ("blue", (5, 5)), ("green", (6, 4))]):
        Image.new("RGB", size, COLOURS[name]).save(photos / f"{number}.png")
    (photos / "broken.jpg").write_bytes(b"none")
    (photos / "notes.txt").write_text("no image")
    made = job(world, tmp_path / "out", images=str(photos), shard_size=2)
    assert by_hand(made) == [{"images": 2}, {"images": 2, "undecodable_image": 1}]
    samples = shards.read_table(tmp_path / "out" / "corpus" / "samples.parquet").to_pylist()
    assert [(row["key"], row["words"]) for row in samples] == [
        ("000000000", ["red"]), ("000000001", ["blue"]), ("000010000", ["green"]),
    ]  # fmt: skip


def test_what_a_cut_shard_lost_is_counted(world, tmp_path):
    made = job(world, tmp_path / "out")
    (world / "data" / "shards" / "00002.tar").unlink()
    assert by_hand(made)[2] == {"images": 2, "missing_sample": 2}
    shutil.rmtree(world / "data" / "shards")
    with pytest.raises(BenchmarkError, match="data/shards holds no shard and no image"):
        job(world, tmp_path / "out")


def test_the_training_split_of_a_benchmark(world, tmp_path):
    folder = world / "benchmarks" / "colours"
    with pytest.raises(BenchmarkError, match=r"colours is a benchmark without a training split"):
        training_images(folder)
    (folder / "ImageSets/Segmentation/train.txt").write_text("a\n")
    assert training_images(folder) == [f"{folder}/JPEGImages/a.jpg"]
    (folder / "ImageSets/Segmentation/train.txt").write_text("a\nb\n")
    with pytest.raises(BenchmarkError, match=r"b.jpg and 0 more that .*train.txt names are missing"):
        training_images(folder)
    (folder / "ImageSets/SegmentationContext").mkdir()
    (folder / "ImageSets/SegmentationContext/train.txt").write_text("a\n")
    assert training_images(folder) == [f"{folder}/JPEGImages/a.jpg"]  # Context's, in a tree that has both
    with pytest.raises(BenchmarkError, match="holds no shard and no image"):
        training_images(tmp_path / "nowhere")


def test_a_threshold_that_no_pixel_reaches_is_refused(world, tmp_path):
    made = job(world, tmp_path / "out")
    by_hand(made)
    folders = DataFolders(str(tmp_path / "out"))
    table = read_samples(folders, data_settings(min_confidence=0.9))
    rows = {row["key"]: row["confidence"] for row in table.to_pylist()}
    raw = {raw["__key__"]: raw for raw in shards.read_tar(tmp_path / "out" / "labelled" / "00000.tar")}
    for key, found in raw.items():
        highest = shards.decode_image(found["confidence.png"])[..., 0].max()
        assert (key in rows) == (highest >= np.floor(255 * 0.9))
        assert key not in rows or int(rows[key] * 255) == highest
    whole = shards.read_table(tmp_path / "out" / "corpus" / "samples.parquet")
    unsure = whole.set_column(
        whole.column_names.index("confidence"), "confidence", pa.array([0.25] * 12, pa.float32())
    )
    shards.write_table(tmp_path / "out" / "corpus" / "samples.parquet", unsure)
    with pytest.raises(ParamError, match=r"data.min_confidence is 0.5, but no pixel .*accepted: up to 0.25"):
        read_samples(folders, data_settings(min_confidence=0.5))


def test_too_many_broken_images_fail_each_time(world, tmp_path):
    path = tmp_path / "00000.parquet"
    shards.write_table(path, pa.table({"key": ["a"]}), "stamp", {"images": 100, "undecodable_image": 6})
    assert shards.report_of(path) == {"images": 100, "undecodable_image": 6}
    for reports in ([shards.report_of(path)], []):  # and when nothing is left to label
        log = RunLog("self_label", None)
        with pytest.raises(ParamError, match=r"self_label\.max_bad is 0\.05, but 6 of 100 images"):
            shard_map.account(log, reports, [str(path)], "self_label", 0.05)
        assert (log.items, log.facts["shards_kept"]) == (100 * len(reports), 1 - len(reports))


def test_a_run_that_is_gone_is_named(world, tmp_path):
    shutil.rmtree(world / "model")
    with pytest.raises(CheckpointError, match=r"model has no config\.json; a model folder holds"):
        job(world, tmp_path / "out")
    values = shipped.DEFAULT | {"plus": {"gone": {}}}
    with pytest.raises(ParamError, match=r"plus is 'gone'; accepted: runs that label images: openseg"):
        settings.resolve(values)


def test_one_line_adds_a_run_that_learns_from_another():
    values = shipped.DEFAULT | {"plus": {"openseg": {}, "clip_dense": {"train": {"steps": 7}}}}
    found = settings.resolve(values)
    made = found["openseg-plus"]
    assert made.train["method"] == "upernet"
    assert made.train["data"]["min_confidence"] == 0.5
    assert made.label["of"] == "openseg"
    assert made.label["reading"] == found["openseg"].evaluate["readings"]["openseg"]
    assert found["clip_dense-plus"].train["train"]["steps"] == 7
    taken = values | {"runs": {**values["runs"], "openseg-plus": {"method": "openseg"}}}
    with pytest.raises(ParamError, match=r"runs\.openseg-plus is 'a run'; accepted: another name"):
        settings.resolve(taken)
    oracle = params.merge(values, {"runs": {"openseg": {"evaluate": {"use_proposals": "ground_truth"}}}})
    with pytest.raises(ParamError, match=r"runs\.openseg\.evaluate\.use_proposals is 'ground_truth'"):
        settings.resolve(oracle)


def test_a_segmenter_learns_from_the_labels(world, tmp_path):
    by_hand(job(world, tmp_path / "out"))
    own = shipped.DEFAULT["methods"]["upernet"]
    data = {"labelled": 1.0, "captioned": False, "pseudo": None, "scale_jitter": [1.0, 1.0], "max_masks": 8}
    run = {
        "run": "a-plus",
        "method": "upernet",
        "settings": own,
        "model": tiny_model(),
        "train": {**TRAIN, "steps": 30, "batch_size": 8, "lr": 0.02, "log_every": 5, "schedule": "poly"},
        "data": {**DATA, **data, "min_confidence": 0.5},
    }
    made = Job(run=run, seed=0, data=str(tmp_path / "out"), folder=str(tmp_path / "work"), corpus="x")
    run_job(made, Worker())
    losses = files.read_bytes(files.join(made.model, "curves", "pixel.tsv")).decode().split()[2:]
    assert float(losses[-1]) < 0.5 * float(losses[1])
    model = load_model(made.model)
    assert set(model.words) <= {"red", "green", "blue", "white"}
    image = torch.zeros(1, 3, 32, 32)
    image[:, 0, :, :16], image[:, 2, :, 16:] = 220 / 255, 230 / 255
    image[:, 1], image[:, 2, :, :16], image[:, 0, :, 16:] = 45 / 255, 40 / 255, 50 / 255
    scores = model.score_maps(image, model.embed_text(["red", "blue", "unheard of"]))
    assert scores.shape == (1, 3, 8, 8)
    assert not scores[:, 2].any()
    assert (scores[0].argmax(0)[:, 1:3] == 0).all()
    assert (scores[0].argmax(0)[:, 5:7] == 1).all()
