"""Pairs are drawn by shared entity, within the shards that a worker holds, the same ones every time."""

import numpy as np
import pyarrow as pa
import pytest
from tiny_data import make_corpus
from training_sections import data_settings

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.training.corpus import DataFolders, read_streams
from ovseg_core.training.loader import NO_PARTNER, Loader, StreamReader
from ovseg_core.training.pairs import EntityTable, PairDrawer, read_entities
from ovseg_core.training.plan import StreamPlan
from ovseg_core.training.shard_cache import ShardCache

PAIRED = {"labelled": 0.0, "pseudo": None, "pairs": 0.5, "scale_jitter": (1.0, 1.0), "flip": False}


def colour(key: str) -> str:
    """What `make_corpus` draws: colours in turn, 8 scenes in the first shard and 8 in the second."""
    return ["blue", "green", "red", "white"][(int(key[:5]) * 8 + int(key[5:])) % 4]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = make_corpus(tmp_path_factory.mktemp("pairs"), captioned=[8, 8], labelled=[2])
    keys = [f"{shard:05d}{row:04d}" for shard in range(2) for row in range(8)]
    rows = [{"entity": colour(key), "key": key, "share": 0.75, "partners": []} for key in keys]
    rows += [{"entity": "square", "key": key, "share": 0.25, "partners": []} for key in keys[:-1]]
    rows.append({"entity": "moon", "key": "00000" + "0001", "share": 0.0, "partners": []})
    rows.append({"entity": "dropped", "key": "999990000", "share": 1.0, "partners": []})
    shards.write_table(root / "corpus" / "partners.parquet", pa.Table.from_pylist(rows))
    return root


def loader(root, part_size=8, rank=0, world=1, **changes) -> Loader:
    settings = data_settings(**{**PAIRED, **changes})
    stream = read_streams(DataFolders(str(root)), settings, nouns=True, entities=True)[False]
    plan = StreamPlan(stream.shard_of, (0, 0), rank, world, settings.window)
    cache = ShardCache(None, None, 2**20)
    return Loader({False: StreamReader(stream, plan, settings, 0, cache)}, part_size, [], (0, rank))


def test_half_of_a_batch_are_partners_that_show_the_shared_entity(corpus):
    batch = next(loader(corpus).batches(0, 1)).batch
    assert batch.partner == [4, 5, 6, 7, 0, 1, 2, 3]
    assert batch.entity_names == ["blue", "green", "red", "white", "square", "moon", "dropped"][:6]
    for row, other in enumerate(batch.partner):
        assert batch.keys[row] != batch.keys[other]
        shared = batch.shared[row]
        assert shared in batch.entities[row]
        assert shared in batch.entities[other]
        assert shared == "square" or colour(batch.keys[row]) == colour(batch.keys[other])
    assert {tuple(nouns) for nouns in batch.nouns} == {("square",)}


def test_an_epoch_visits_every_sample_once_as_the_one_that_looks_for_a_partner(corpus):
    made = loader(corpus)
    batches = [part.batch for part in made.batches(0, 4)]
    anchors = [key for batch in batches for key in batch.keys[:4]]
    assert len(set(anchors)) == len(anchors) == 16


def test_pairs_are_the_same_wherever_loading_starts(corpus):
    walked = [part.batch for part in loader(corpus).batches(0, 6)]
    again = [part.batch for part in loader(corpus, threads=2).batches(4, 6)]
    assert [b.keys for b in walked[4:]] == [b.keys for b in again]
    assert [b.shared for b in walked[4:]] == [b.shared for b in again]


def test_partners_come_from_the_window(corpus):
    made = loader(corpus, window=1)
    for part in made.batches(0, 4):
        for row, other in enumerate(part.batch.partner):
            assert part.batch.keys[row][:5] == part.batch.keys[other][:5]  # one shard at a time


def table(entities: list[list[str]], names: list[str]) -> EntityTable:
    offsets = np.cumsum([0, *map(len, entities)])
    ids = np.array([names.index(name) for some in entities for name in some], np.int64)
    shares = np.concatenate([np.full(len(some), 1 / max(len(some), 1)) for some in entities])
    return EntityTable(names, offsets, ids, shares)


def test_an_entity_that_one_image_shows_gives_no_pair(corpus):
    plan = StreamPlan(np.zeros(3, int), (0,), 0, 1, window=1)
    drawer = PairDrawer(plan, table([["moon"], ["sun"], []], ["moon", "sun"]), (0,))
    drawn = [drawer.draw(position) for position in range(3)]
    assert [entity for _, entity in drawn] == ["", "", ""]
    made = loader(corpus)
    made.readers[False].pairs.entities = table([["moon"], *[[]] * 15], ["moon"])
    part = next(made.batches(0, 1))
    assert part.drops == {NO_PARTNER: 4}
    assert (part.batch.partner, part.batch.shared) == ([-1] * 8, [""] * 8)
    assert len(part.batch) == 8  # the images are used all the same


def test_rare_entities_are_drawn_by_their_share():
    names = ["dog", "harp"]
    shown = [["dog", "harp"]] * 2 + [["dog"]] * 2
    given = table(shown, names)
    given.shares[:4] = [0.1, 0.9, 0.1, 0.9]
    drawn = []
    for seed in range(300):
        drawer = PairDrawer(StreamPlan(np.zeros(4, int), (0,), 0, 1, window=1), given, (seed,))
        position = next(p for p in range(4) if drawer.plan.sample(p) == 0)
        drawn.append(drawer.draw(position))
    harps = [sample for sample, entity in drawn if entity == "harp"]
    assert 0.84 < len(harps) / 300 < 0.96
    assert set(harps) == {1}  # the only other one
    assert {sample for sample, entity in drawn if entity == "dog"} == {1, 2, 3}


def test_the_table_follows_the_keys_of_the_stream(corpus):
    path = str(corpus / "corpus" / "partners.parquet")
    found = read_entities(path, pa.array(["000000001", "000010007", "000000000"]))
    assert [found.of(sample) for sample in range(3)] == [
        ["green", "square", "moon"],
        ["white"],
        ["blue", "square"],
    ]
    with pytest.raises(FileNotFoundError, match="run the stage `curate`"):
        read_entities(path + ".gone", pa.array(["000000001"]))


def test_no_more_partners_than_other_images():
    with pytest.raises(ParamError, match=r"data\.pairs is 0\.6; accepted: from 0 to 0\.5"):
        data_settings(labelled=0.0, pairs=0.6)
    with pytest.raises(ParamError, match=r"data\.pairs is 0\.5; accepted: from 0 to 0\.25"):
        data_settings(labelled=0.5, pairs=0.5)
