"""Curating a handful of shards in the form of docs/contracts.md."""

import hashlib
import io
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ovseg_core import hashing, shards
from ovseg_core.text.concepts import Concepts
from ovseg_core.text.corpus import curate
from ovseg_core.text.entities import paired
from ovseg_core.text.settings import CurateSettings
from ovseg_core.text.sources import Source

LISTS = pa.list_(pa.string())


def settings(**changes):
    base = {
        "filter": "noun_adj",
        "phrases": True,
        "min_documents": 2,
        "near_duplicates": 2,
        "require_entity": False,
        "most_entities": None,
        "partners": 2,
        "seed": 0,
        "leak_distance": 2,
    }
    return CurateSettings(**{**base, **changes})


def picture(number):
    """Noise: every picture has a hash of its own."""
    pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 64)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class World:
    """Shards, texts, ledger and benchmarks in a folder."""

    def __init__(self, root):
        self.root, self.sources, self.number = root, [], 0
        self.ledger = []

    def shard(self, name, rows, labelled=False, images=None):
        """Rows of (caption, nouns, adjectives): `name` becomes a shard with its text table."""
        folder = self.root / ("labelled" if labelled else "shards")
        images = images or [picture(self.number + row) for row in range(len(rows))]
        self.number += len(rows)
        keys = [f"{name}{row:04d}" for row in range(len(rows))]
        shards.write_tar(
            folder / f"{name}.tar", [{"__key__": k, "jpg": i} for k, i in zip(keys, images, strict=True)]
        )
        hashes = [hashing.phash(shards.decode_image(image)) for image in images]
        table = {
            "key": keys,
            "caption": pa.array([row[0] for row in rows], pa.string()),
            "sha256": [hashlib.sha256(image).hexdigest() for image in images],
            "phash": pa.array(hashes, pa.uint64()),
        }
        shards.write_table(folder / f"{name}.parquet", pa.table(table))
        self.text(name, keys, rows)
        self.sources.append(Source(f"{folder}/{name}", f"{self.root}/text/{name}.parquet", labelled))
        self.ledger += [] if labelled else [("success", None, key, None) for key in keys]
        return keys

    def text(self, name, keys, rows):
        nouns, adjectives = [[row[i].split() for row in rows] for i in (1, 2)]
        pairs = zip(nouns, adjectives, strict=True)
        phrases = [[f"{adjective} {noun}" for adjective in a for noun in n] for n, a in pairs]
        columns = {"nouns": nouns, "adjectives": adjectives, "verbs": [["see"]] * len(rows)}
        columns |= {"noun_phrases": phrases, "entities": nouns}
        lists = {column: pa.array(values, LISTS) for column, values in columns.items()}
        shards.write_table(self.root / "text" / f"{name}.parquet", pa.table({"key": keys, **lists}))

    def curate(self, **changes):
        columns = zip(*self.ledger, strict=True) if self.ledger else [[]] * 4
        names = ("status", "reason", "key", "duplicate_of")
        table = {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
        shards.write_table(self.root / "shards" / "ledger.parquet", pa.table(table))
        out = self.root / "corpus"
        ledger, benchmarks = self.root / "shards" / "ledger.parquet", self.root / "benchmarks"
        self.funnel = curate(self.sources, ledger, benchmarks, out, settings(**changes))
        return pq.read_table(out / "samples.parquet").to_pylist()

    def read(self, name):
        path = self.root / "corpus" / name
        return json.loads(path.read_text()) if name.endswith("json") else pq.read_table(path).to_pylist()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


FISH, STAR = ("a red fish", "fish", "red"), ("one star", "star", "")


def test_samples_keep_the_words_that_are_frequent_enough(world):
    world.shard("00000", [FISH, ("red fish and star", "fish star", "red"), ("a kite", "kite", "")])
    world.shard("00001", [("stars", "star", "blue")])
    samples = world.curate()
    assert [list(sample.values()) for sample in samples] == [
        ["000000000", "00000", 0, False, ["fish", "red", "red fish"], ["noun", "adjective", "phrase"]],
        ["000000001", "00000", 1, False, ["fish", "star", "red", "red fish"],
         ["noun", "noun", "adjective", "phrase"]],
        ["000010000", "00001", 0, False, ["star"], ["noun"]],
    ]  # fmt: skip
    assert list(samples[0]) == ["key", "shard", "row", "labelled", "words", "parts"]
    assert world.funnel["steps"][-1] == {"name": "words", "in": 4, "out": 3, "drops": {"rare_words": 1}}
    found = {
        row["word"]: (row["documents"], row["kept"], row["reason"])
        for row in world.read("vocabulary.parquet")
    }
    assert found["fish"] == (2, True, "")
    assert found["kite"] == (1, False, "too_rare")
    assert found["see"] == (4, False, "filtered_part")


def test_entities_point_to_the_kept_samples(world, monkeypatch):
    monkeypatch.setattr("ovseg_core.text.entities.PAIRS_AT_ONCE", 2)  # a range per entity
    world.shard("00000", [FISH, STAR, ("fish and star", "fish star", "")])
    world.shard("L0000", [("", "fish", "")], labelled=True)
    world.curate()
    assert world.read("entities.parquet") == [
        {"entity": "fish", "documents": 3, "keys": ["000000000", "000000002", "L00000000"]},
        {"entity": "star", "documents": 2, "keys": ["000000001", "000000002"]},
    ]
    rows = {(row["entity"], row["key"]): row for row in world.read("partners.parquet")}
    assert set(rows["fish", "000000000"]["partners"]) == {"000000002", "L00000000"}
    assert rows["star", "000000002"]["partners"] == ["000000001"]
    # fish is in 3 captions and star in 2: (1/3) / (1/3 + 1/2) = 2/5 of the draws go to the fish
    shares = [rows[key, "000000002"]["share"] for key in ("fish", "star")]
    assert shares == pytest.approx([0.4, 0.6])
    assert rows["fish", "000000000"]["share"] == 1


def test_without_an_entity_that_is_frequent_a_caption_is_dropped_where_asked(world):
    world.shard(
        "00000", [FISH, FISH, ("a kite", "kite", ""), STAR, STAR, ("see red", "", "red"), ("red", "", "red")]
    )
    assert len(world.curate(min_documents=1)) == 7
    kept = world.curate(min_documents=1, require_entity=True, most_entities=2)
    assert [sample["key"] for sample in kept] == [f"00000{row:04d}" for row in (0, 1, 3, 4)]
    assert world.funnel["steps"][-1] == {
        **{"name": "entity", "in": 7, "out": 4},
        "drops": {"no_entity": 2, "rare_entity": 1},
    }
    assert [row["entity"] for row in world.read("entities.parquet")] == ["fish", "star"]


def test_why_a_noun_is_no_entity_is_told(world):
    rows = [
        ("a fish", "fish", ""),
        ("a fish", "fish", ""),
        ("a day", "day", ""),
        ("zor", "zor", ""),
        ("k", "kite", ""),
    ]
    keys = world.shard("00000", rows)
    table = pq.read_table(world.root / "text" / "00000.parquet")
    shown = pa.array([["fish"], ["fish"], [], [], ["kite"]], LISTS)
    shards.write_table(world.root / "text" / "00000.parquet", table.set_column(5, "entities", shown))
    world.curate(near_duplicates=None)
    assert world.read("nouns.parquet") == [
        {"noun": "fish", "documents": 2, "entity": True, "reason": ""},
        {"noun": "day", "documents": 1, "entity": False, "reason": "time"},
        {"noun": "kite", "documents": 1, "entity": False, "reason": "too_rare"},
        {"noun": "zor", "documents": 1, "entity": False, "reason": "not_in_the_set"},
    ]
    assert len(keys) == 5


def test_concepts_are_the_phrases_of_the_kept_captions(world):
    world.shard("00000", [FISH, ("red fish and star", "fish star", "red"), ("a kite", "kite", "")])
    world.curate()
    assert world.read("concepts.parquet") == [{"concept": "red fish", "documents": 2}]


def test_partners_do_not_depend_on_the_order_and_all_are_partners_as_often():
    keys = [f"{i:04d}" for i in range(50)]
    table = paired("dog", pa.array(keys), 3, seed=0)
    partners = dict(zip(table["key"].to_pylist(), table["partners"].to_pylist(), strict=True))
    assert all(key not in drawn and len(set(drawn)) == 3 for key, drawn in partners.items())
    assert set(Counter(other for drawn in partners.values() for other in drawn).values()) == {3}
    other = paired("dog", pa.array(keys[::-1]), 3, seed=0)
    assert dict(zip(other["key"].to_pylist(), other["partners"].to_pylist(), strict=True)) == partners
    assert paired("cat", pa.array(keys), 3, seed=0)["partners"] != table["partners"]
    assert paired("dog", pa.array(keys), 3, seed=1)["partners"] != table["partners"]
    assert paired("dog", pa.array(["a"]), 3, seed=0)["partners"].to_pylist() == [[]]


def test_concepts_in_bounded_memory_lose_rare_ones_first():
    concepts = Concepts(most=2)
    concepts.add(pa.chunked_array([[["a", "b"], ["a"], ["a"]]], LISTS))
    concepts.add(pa.chunked_array([[["c"], ["b"]]], LISTS))
    # a 3, b 2, c 1 are three: each loses one, c goes
    assert concepts.frequent(1).to_pylist() == [
        {"concept": "a", "documents": 2},
        {"concept": "b", "documents": 1},
    ]
    assert concepts.lost == 1


def test_the_funnel_counts_every_url_down_to_the_kept_samples(world):
    copies = [picture(100), picture(101)]
    rows = [
        FISH,
        FISH,
        FISH,
        FISH,
        ("", "fish", ""),
        ("?!", "", ""),
        ("of the", "", ""),
        ("a kite", "kite", ""),
    ]
    keys = world.shard("00000", rows, images=[copies[0], copies[0], *map(picture, range(5)), copies[1]])
    benchmark = world.root / "benchmarks" / "val" / "JPEGImages"
    benchmark.mkdir(parents=True)
    (benchmark / "0001.jpg").write_bytes(copies[1])
    world.ledger[1] = ("success", None, keys[1], keys[0])
    world.ledger += [("failed", "timeout", None, None), ("failed", "http_404", None, None)]
    world.ledger += [("refused", "private_address", None, None), ("refused", "duplicate_row", None, keys[0])]
    world.ledger += [("success", None, "000990000", None)]  # of a shard that is not there
    samples = world.curate(min_documents=1)
    assert [sample["key"] for sample in samples] == ["000000000", "000000002"]
    assert world.funnel["steps"] == world.read("funnel.json")["steps"] == [
        {"name": "fetched", "in": 13, "out": 9,
         "drops": {"duplicate_row": 1, "http_404": 1, "private_address": 1, "timeout": 1}},
        {"name": "in shards", "in": 9, "out": 8, "drops": {"missing_from_shards": 1}},
        {"name": "not a duplicate", "in": 8, "out": 7, "drops": {"duplicate_image": 1}},
        {"name": "not in a benchmark", "in": 7, "out": 6, "drops": {"benchmark_image": 1}},
        {"name": "caption", "in": 6, "out": 3, "drops": {"empty_caption": 2, "near_duplicate_caption": 1}},
        {"name": "words", "in": 3, "out": 2, "drops": {"no_words": 1}},
    ]  # fmt: skip
    assert world.read("leaks.json") == {"val": [{"key": "000000007", "id": "0001", "distance": 0}]}


def test_labelled_samples_are_dropped_for_leaks_only(world):
    rows = [("", "", ""), FISH, FISH, FISH, ("a kite", "kite", "")]
    world.shard("00000", [FISH])
    world.shard("L0000", rows, labelled=True)
    benchmark = world.root / "benchmarks" / "val" / "JPEGImages"
    benchmark.mkdir(parents=True)
    (benchmark / "0001.jpg").write_bytes(picture(2))  # 0 is in the captioned shard, 1 and 2 begin this one
    samples = world.curate(near_duplicates=1)
    words = ["fish", "red", "red fish"]
    assert [(s["key"], s["words"]) for s in samples if s["labelled"]] == [
        ("L00000000", []), ("L00000002", words), ("L00000003", words), ("L00000004", []),
    ]  # fmt: skip
    assert world.funnel["labelled"] == {
        "name": "not in a benchmark", "in": 5, "out": 4, "drops": {"benchmark_image": 1},
    }  # fmt: skip


def test_near_duplicates_are_counted_over_shards_after_other_drops(world):
    first = world.shard("00000", [("A RED fish!", "fish", "red"), FISH])
    world.shard("00001", [("the red fish 2", "fish", "red"), FISH])
    world.ledger[1] = ("success", None, first[1], first[0])  # takes no place of the two
    assert [sample["key"] for sample in world.curate(near_duplicates=2)] == ["000000000", "000010000"]
    assert {row["word"]: row["documents"] for row in world.read("vocabulary.parquet")}["fish"] == 2  # not 4
    assert len(world.curate(near_duplicates=None)) == 3


@pytest.mark.parametrize(
    ("caption_filter", "phrases", "words"),
    [
        ("noun_adj", False, ["fish", "red"]),
        ("noun_adj", True, ["fish", "red", "red fish"]),
        ("noun_adj_verb", False, ["fish", "red", "see"]),
        ("all_words", False, ["fish", "red", "see", "a"]),
    ],
)
def test_caption_filters(world, caption_filter, phrases, words):
    world.shard("00000", [FISH])
    [sample] = world.curate(filter=caption_filter, phrases=phrases, min_documents=1)
    assert sample["words"] == words


def test_a_shard_whose_words_are_not_its_own_is_left_out(world):
    world.shard("00000", [FISH, FISH])
    keys = world.shard("00001", [FISH, STAR])
    world.text("00001", keys[:1], [FISH])
    samples = world.curate(min_documents=1)
    assert {sample["shard"] for sample in samples} == {"00000"}
    assert world.funnel["steps"][-2]["drops"] == {"no_text": 2}


def test_a_shard_that_cannot_be_read_is_counted_as_missing(world):
    world.shard("00000", [FISH, FISH])
    world.shard("00001", [STAR])
    (world.root / "shards" / "00001.parquet").write_bytes(b"broken")
    world.curate()
    assert world.funnel["steps"][1] == {
        "name": "in shards",
        "in": 3,
        "out": 2,
        "drops": {"missing_from_shards": 1},
    }


def test_shards_without_ledger_or_hashes_are_curated_too(world):
    world.shard("00000", [FISH, FISH])
    table = shards.read_table(world.root / "shards" / "00000.parquet").select(["key", "caption"])
    shards.write_table(world.root / "shards" / "00000.parquet", table)
    benchmark = world.root / "benchmarks" / "val" / "JPEGImages"
    benchmark.mkdir(parents=True)
    (benchmark / "0001.jpg").write_bytes(picture(1))
    funnel = curate(
        world.sources,
        "nowhere.parquet",
        world.root / "benchmarks",
        world.root / "corpus",
        settings(min_documents=1),
    )
    assert [step["name"] for step in funnel["steps"]] == [
        "not a duplicate",
        "not in a benchmark",
        "caption",
        "words",
    ]
    assert world.read("leaks.json")["val"][0]["key"] == "000000001"


def test_nothing_left_is_an_error_with_the_counts(world):
    world.shard("00000", [("?", "", ""), STAR])
    with pytest.raises(ValueError, match=r'no sample is left: .*"empty_caption": 1.*"rare_words": 1'):
        world.curate()


def test_captions_of_other_scripts_and_a_megabyte_do_no_harm(world):
    rows = [("صورة حمراء", "", ""), ("🐶", "", ""), ("fish " * 200_000, "fish", ""), (None, "", ""), FISH]
    world.shard("00000", rows)
    assert [sample["key"] for sample in world.curate()] == ["000000002", "000000004"]
    assert world.funnel["steps"][-2]["drops"] == {"empty_caption": 2}  # the emoji and the missing one


def test_same_input_same_bytes(world):
    world.shard("00000", [FISH, STAR, FISH])
    world.shard("L0000", [STAR], labelled=True)
    contents = []
    for _ in range(2):
        world.curate()
        contents.append({path.name: path.read_bytes() for path in (world.root / "corpus").iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        "samples.parquet",
        "vocabulary.parquet",
        "concepts.parquet",
        "entities.parquet",
        "funnel.json",
        "leaks.json",
        "nouns.parquet",
        "partners.parquet",
    }
