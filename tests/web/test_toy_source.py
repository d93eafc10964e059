import json
import urllib.error
import urllib.request

import numpy as np
import pytest

from ovseg_core import hashing, params, shards
from ovseg_core.benchmarks import folder as benchmarks
from ovseg_core.run_log import RunLog
from ovseg_core.web import site, sources, toy, world
from ovseg_core.web.settings import ToySettings, WebFolders, WebSettings

TOY = ToySettings(scenes=400, labelled=0.1, side=32, val_scenes=4, test_scenes=6, held_out_scenes=3)
SETTINGS = WebSettings(source="toy", seed=3, port=8799, folder=None, urls=None, format="auto", toy=TOY)


def write(folder, settings=SETTINGS):
    with RunLog("web", folder / "log.json") as log:
        names = ("web", "labelled", "benchmarks", "weights")
        sources.write_web(settings, WebFolders(*(str(folder / name) for name in names)), log)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write(tmp_path_factory.mktemp("made"))


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "log.json"
    }


def test_the_same_settings_give_the_same_bytes(made, tmp_path):
    assert content(made) == content(write(tmp_path))


def test_every_url_is_on_the_site(made):
    rows = shards.read_table(made / "web/urls.parquet").to_pylist()
    pages = set(shards.read_table(made / "web/site.parquet", ["path"])["path"].to_pylist())
    base = "http://127.0.0.1:8799"
    assert all(row["url"].startswith(base) and row["url"].removeprefix(base) in pages for row in rows)
    assert {row["source"] for row in rows} == {"toy"}
    assert {row["licence"] for row in rows} <= set(toy.LICENCES)
    log = json.loads((made / "log.json").read_text())
    assert len(rows) == log["urls"] == sum(log["faults"].values()) >= 360
    assert log["faults"]["ok"] > 280
    assert (log["items"], log["unit"]) == (400 + 4 + 6 + 2 * 3, "scenes")


def test_the_site_answers_with_the_scene(made):
    rows = shards.read_table(made / "web/urls.parquet").to_pylist()
    answers = []
    with site.serve(made / "web", port=0) as base:
        for row in rows[:20]:
            try:
                with urllib.request.urlopen(
                    row["url"].replace("http://127.0.0.1:8799", base), timeout=3
                ) as reply:
                    answers.append(reply.read())
            except (urllib.error.URLError, OSError):
                continue
    first = world.draw_scene(world.scene_rng(3, "captioned", 0), 32)
    assert len(answers) > 12
    assert any(np.abs(shards.decode_image(a).astype(int) - first.image).mean() < 8 for a in answers[:1])


def test_labelled_scenes_are_shards_with_segments(made):
    (shard,) = shards.list_shards(made / "labelled")
    samples = [shards.decode_sample(raw) for raw in shards.read_tar(f"{shard}.tar")]
    assert len(samples) == TOY.num_labelled == 40
    assert samples[0].key == "L00000000"
    scene = world.draw_scene(world.scene_rng(3, "labelled", 0), 32)
    assert np.array_equal(samples[0].segments.ids, scene.ids)
    assert (samples[0].segments.names, samples[0].caption) == (scene.names, scene.caption)


@pytest.mark.parametrize(("name", "scenes"), [("toy-val", 4), ("toy-test", 6)])
def test_benchmarks_are_read_by_the_evaluation(made, name, scenes):
    benchmark = benchmarks.read(made / "benchmarks" / name)
    assert len(benchmark.ids) == scenes + 3
    assert benchmark.held_out == set(benchmark.ids[scenes:])
    assert len(benchmark.names) == 24
    assert "mug, cup" in benchmark.names
    assert benchmark.kinds.count("thing") == 16
    for key in benchmark.ids:
        truth = benchmark.truth(key, benchmark.image(key).shape[:2])
        scene = world.draw_scene(
            world.scene_rng(3, name, benchmark.ids.index(key)), 32, held_out=key in benchmark.held_out
        )
        named = {benchmark.title(index) for index in np.unique(truth) if index < 24}
        assert named == set(scene.names)


def test_no_image_of_a_benchmark_is_for_training(made):
    def hashes(folder):
        return {hashing.sha256(path.read_bytes()) for path in folder.rglob("*.jpg")}

    labelled = set(shards.read_table(made / "labelled/L0000.parquet", ["sha256"])["sha256"].to_pylist())
    site_bodies = shards.read_table(made / "web/site.parquet", ["body"])["body"].to_pylist()
    training = labelled | {hashing.sha256(body) for body in site_bodies if body}
    assert hashes(made / "benchmarks/toy-val") & hashes(made / "benchmarks/toy-test") == set()
    assert not hashes(made / "benchmarks") & training


def test_the_world_is_described(made):
    about = json.loads((made / "web/world.json").read_text())
    assert (len(about["things"]), len(about["stuff"]), len(about["held_out"])) == (16, 8, 24)
    assert about["source"] == "toy"
    assert shards.decode_image((made / "web/world.png").read_bytes()).shape[1] > 1000


def test_another_seed_is_another_web(made, tmp_path):
    tiny = params.merge(
        {"scenes": 20, "labelled": 0.5, "side": 32, "val_scenes": 1, "test_scenes": 1, "held_out_scenes": 0},
        {},
    )
    other = WebSettings(**{**SETTINGS.__dict__, "seed": 4, "toy": ToySettings(**tiny)})
    write(tmp_path, other)
    ours, theirs = (json.loads((f / "web/world.json").read_text()) for f in (made, tmp_path))
    assert ours["fingerprint"] != theirs["fingerprint"]
    first = [shards.read_table(f / "web/site.parquet", ["body"])["body"][0].as_py() for f in (made, tmp_path)]
    assert first[0] != first[1]


def test_a_list_of_urls_leaves_no_site(tmp_path):
    (tmp_path / "list.csv").write_text("url,caption\nhttp://example.org/a.jpg,a cat\n,x\n")
    write(tmp_path)
    given = {**SETTINGS.__dict__, "source": "urls", "urls": str(tmp_path / "list.csv")}
    write(tmp_path, WebSettings(**given))
    assert sorted(path.name for path in (tmp_path / "web").iterdir()) == ["urls.parquet", "world.json"]
    assert (tmp_path / "benchmarks").is_dir()
    assert not list((tmp_path / "labelled").iterdir())
    log = json.loads((tmp_path / "log.json").read_text())
    assert (log["items"], log["unit"], log["drops"]) == (1, "urls", {"no_url": 1})
