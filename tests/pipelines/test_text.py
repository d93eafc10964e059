"""The extract stage on a real local Ray."""

import os
import shutil
import signal
from functools import partial

import pyarrow as pa
import pytest
import ray

from ovseg_core import files, shards
from ovseg_core.run_log import RunLog
from ovseg_core.text.extraction import ShardExtractor, fingerprint
from ovseg_core.text.settings import ExtractSettings
from pipelines import text
from pipelines.cluster import ClusterSettings
from pipelines.shard_map import ActorResources, map_shards, most_actors

pytestmark = pytest.mark.usefixtures("local_ray")
SETTINGS = ExtractSettings(model="lexicon", entities="mined", max_caption_chars=500)


def write_shard(folder, name, captions):
    keys = [f"{name}{row:04d}" for row in range(len(captions))]
    shards.write_tar(folder / f"{name}.tar", [{"__key__": key, "txt": b""} for key in keys])
    shards.write_table(folder / f"{name}.parquet", pa.table({"key": keys, "caption": captions}))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory, local_ray):
    """Three captioned shards and a labelled one, extracted by two workers -> (folder, what came of it)."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(3):
        write_shard(folder / "shards", f"{number:05d}", [f"{number} red fish", "two stars", ""])
    write_shard(folder / "labelled", "L0000", ["a kite"])
    return folder, extract(folder, workers=2)


@pytest.fixture
def data(extracted, tmp_path):
    """A copy of it to change."""
    return shutil.copytree(extracted[0], tmp_path / "data")


def extract(data, workers=1):
    folders = [str(data / "shards"), str(data / "labelled")]
    cluster = ClusterSettings(num_cpus=None, workers=workers, trainings=1)
    with RunLog("extract", None) as log:
        return text.extract(folders, str(data / "text"), SETTINGS, cluster, log)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_shard_gets_its_table(extracted):
    folder, result = extracted
    assert (result.shards, result.done_before, result.captions) == (4, 0, 10)
    assert result.drops == {"empty_caption": 3}
    table = shards.read_table(folder / "text" / "00001.parquet")
    assert table["key"].to_pylist() == ["000010000", "000010001", "000010002"]
    assert table["nouns"].to_pylist() == [["fish"], ["star"], []]


def test_a_rerun_has_nothing_to_do_and_starts_no_ray(extracted, data, monkeypatch):
    monkeypatch.setattr(text, "connect", lambda settings: pytest.fail("Ray for nothing"))
    before = contents(data / "text")
    again = extract(data)
    assert (again.done_before, again.captions) == (4, 0)
    assert again.drops == extracted[1].drops  # of all tables, those of earlier runs among them
    assert contents(data / "text") == before


def test_only_what_changed_is_done_again_and_a_bad_shard_stops_nothing(data):
    before = contents(data / "text")
    (data / "shards" / "00000.parquet").write_bytes(b"broken")
    write_shard(data / "shards", "00001", ["a blue boat"])
    for suffix in ("tar", "parquet"):
        files.remove(data / "labelled" / f"L0000.{suffix}")
    (data / "text" / f"{files.TEMPORARY}1-00000.parquet").write_bytes(b"left by a killed run")
    result = extract(data)
    assert (result.shards, result.done_before, result.captions) == (3, 1, 1)
    assert result.drops == {"unreadable_shard": 1, "empty_caption": 1}  # the empty one in shard 2
    now = contents(data / "text")
    assert set(now) == {"00001.parquet", "00002.parquet"}  # nothing stale, nothing half written
    assert now["00002.parquet"] == before["00002.parquet"]
    assert shards.read_table(data / "text" / "00001.parquet")["nouns"].to_pylist() == [["boat"]]


def test_shards_that_are_all_bad_stop_the_stage(data):
    for path in [*(data / "shards").glob("*.parquet"), *(data / "labelled").glob("*.parquet")]:
        path.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"none of the 4 shards in .* can be read"):
        extract(data)


def test_two_shards_of_one_name_are_refused(data):
    write_shard(data / "labelled", "00001", ["a kite"])
    with pytest.raises(ValueError, match="hold shards of the same name: 00001"):
        extract(data)


def test_a_killed_worker_is_replaced_and_the_tables_are_the_same(data, tmp_path):
    class KillsItselfOnce:  # defined here, so that it travels to the worker by value
        def __init__(self, out, stamps):
            self.out, self.stamps = out, stamps

        def __call__(self, shard):
            if not os.path.exists(self.out):
                os.mkdir(self.out)
                os.kill(os.getpid(), signal.SIGKILL)
            if not hasattr(self, "extractor"):
                self.extractor = ShardExtractor(SETTINGS, self.out, self.stamps)
            return self.extractor(shard)

    paths = shards.list_shards(data / "shards", data / "labelled")
    stamps = {shards.name_of(path): fingerprint(path, SETTINGS) for path in paths}
    make = partial(KillsItselfOnce, str(tmp_path / "again"), stamps)
    reports = map_shards(make, paths, ActorResources(actors=1), "killed")
    assert [report["captions"] for report in reports] == [3, 3, 3, 1]
    assert contents(tmp_path / "again") == contents(data / "text")


def test_actors_that_do_not_fit_on_this_machine_are_not_waited_for():
    cpus = int(ray.cluster_resources()["CPU"])
    assert most_actors(ActorResources(actors=cpus + 5)) == cpus
    assert most_actors(ActorResources(actors=1, num_cpus=2 * cpus)) == 1
    assert most_actors(ActorResources(actors=3, num_cpus=0)) == 3


def test_shards_go_to_the_actors_that_have_their_cpus():
    cpus = int(ray.cluster_resources()["CPU"])

    @ray.remote(num_cpus=cpus - 1)
    class OfAnotherStage:
        def is_there(self):
            return True

    other = OfAnotherStage.remote()
    assert ray.get(other.is_there.remote())
    try:  # of two actors one has no CPU as long as the other stage lasts
        assert map_shards(lambda: len, ["a", "bb", "ccc"], ActorResources(actors=2), "crowded") == [1, 2, 3]
    finally:
        ray.kill(other)


def test_what_an_actor_has_built_is_out_of_sight_of_garbage_collection():
    class Built:
        def __init__(self):
            self.many = [[number] for number in range(10_000)]

        def __call__(self, _shard):
            import gc

            return gc.get_freeze_count()

    first, second = map_shards(Built, ["a", "b"], ActorResources(actors=1), "frozen")
    assert first > 10_000
    assert second <= first, "once, with the first shard"
