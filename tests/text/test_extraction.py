"""What a worker makes of one shard. No Ray here."""

from typing import Any

import pyarrow as pa
import pytest

from ovseg_core import files, shards
from ovseg_core.text import extraction
from ovseg_core.text.extraction import ShardExtractor, counts_of, fingerprint
from ovseg_core.text.settings import ExtractSettings

SETTINGS = ExtractSettings(model="lexicon", entities="mined", max_caption_chars=200)


@pytest.fixture
def extract(parser, tmp_path, monkeypatch):
    """Captions -> the rows of their text table."""
    monkeypatch.setattr(
        extraction, "CaptionParser", lambda model, entities: parser
    )  # built once for all tests

    def run(captions, settings=SETTINGS, name="00000"):
        keys = [f"{name}{row:04d}" for row in range(len(captions))]
        table = pa.table({"key": keys, "caption": pa.array(captions, pa.string())})
        shards.write_table(tmp_path / "shards" / f"{name}.parquet", table)
        worker = ShardExtractor(settings, str(tmp_path / "text"), {name: "made"})
        worker(f"{tmp_path}/shards/{name}")
        return shards.read_table(tmp_path / "text" / f"{name}.parquet").to_pylist()

    return run


def counts(tmp_path, name="00000"):
    return counts_of(f"{tmp_path}/text/{name}.parquet")


def test_a_caption_becomes_lemmas_and_phrases(extract):
    [row] = extract(["Two dogs are riding a big red fire truck."])
    assert row == {
        "key": "000000000",
        "nouns": ["dog", "fire", "truck"],
        "adjectives": ["big", "red"],
        "verbs": ["ride"],
        "noun_phrases": ["dog", "big red fire truck", "red truck"],
        "entities": ["dog", "fire truck"],
    }


def test_lines_are_captions_of_one_image(extract):
    [row] = extract(["A dog runs .\nA brown dog runs on snow .\nthe snowy field"])
    assert row["nouns"] == ["dog", "snow", "field"]
    assert row["noun_phrases"] == ["dog", "brown dog", "snow", "snowy field"]
    assert row["verbs"] == ["run"]


def test_rows_stay_in_the_order_of_the_shard_and_repeated_captions_are_parsed_once(
    extract, parser, tmp_path, monkeypatch
):
    seen = []
    parse = parser.parse

    def listen(lines):
        lines = list(lines)
        seen.extend(lines)
        return parse(lines)

    monkeypatch.setattr(parser, "parse", listen)
    rows = extract(["a fish", "a star", ""] * 400)  # three batches
    assert [row["key"] for row in rows] == [f"00000{i:04d}" for i in range(1200)]
    assert [row["nouns"] for row in rows] == [["fish"], ["star"], []] * 400
    assert counts(tmp_path)["empty_caption"] == 400
    assert sorted(set(seen)) == ["a fish", "a star"]
    assert seen.count("a fish") <= 512  # of its own batch; never again in a later one


def test_entities_are_listed_nouns(extract):
    [row] = extract(["a zorbler beside a tree"])
    assert row["nouns"] == ["zorbler", "tree"]
    assert row["entities"] == ["tree"]


HOSTILE = {
    "one megabyte": "dog " * 250_000,
    "one endless word": "x" * 1_000_000,
    "control characters": "a \x00red\x07 fish\x1b[31m\u200b \ufeffon sand",
    "right to left": "\u202eكلب أحمر\u202c a red fish",
    "emoji": "🐶🐱 a red fish 🎉🎉 👨‍👩‍👧",
    "markup": "<b>a red fish</b> &amp; a &#115;tar",
    "signs only": "!!! --- ??? ...",
    "null bytes only": "\x00\x00",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_captions_become_a_row(extract, name):
    rows = extract([HOSTILE[name], "a red fish"])
    assert len(rows) == 2
    assert rows[1]["noun_phrases"] == ["red fish"]
    if "red fish" in HOSTILE[name].replace("\x00", "").replace("\x07", ""):
        assert {"fish"} <= set(rows[0]["nouns"])
        assert "red" in rows[0]["adjectives"]


def test_what_is_cut_or_empty_is_counted(extract, tmp_path):
    rows = extract(["dog " * 250_000, "", None, " \n ", "\x00", "a fish"])
    assert counts(tmp_path) == {"captions": 6, "caption_cut": 1, "empty_caption": 4}
    assert rows[0]["nouns"] == ["dog"]
    assert [row["nouns"] for row in rows[1:5]] == [[]] * 4


def test_a_shard_without_a_table_is_read_from_its_tar(extract, tmp_path):
    samples = [
        {"__key__": f"00007000{i}", "txt": f"a {word}".encode(), "jpg": b""}
        for i, word in enumerate(["fish", "star"])
    ]
    shards.write_tar(tmp_path / "shards" / "00007.tar", samples)
    ShardExtractor(SETTINGS, str(tmp_path / "text"), {"00007": "made"})(f"{tmp_path}/shards/00007")
    rows = shards.read_table(tmp_path / "text" / "00007.parquet").to_pylist()
    assert [(row["key"], row["nouns"]) for row in rows] == [("000070000", ["fish"]), ("000070001", ["star"])]


def test_of_a_tar_that_was_cut_the_whole_samples_are_read(extract, tmp_path):
    samples = [{"__key__": f"00007000{i}", "txt": b"a fish", "jpg": bytes(5000)} for i in range(4)]
    path = tmp_path / "shards" / "00007.tar"
    shards.write_tar(path, samples)
    # a sample is 512 + 5120 + 512 + 512 = 6656 bytes: two are whole, the third is under way
    path.write_bytes(path.read_bytes()[:20_000])
    report = ShardExtractor(SETTINGS, str(tmp_path / "text"), {"00007": "made"})(f"{tmp_path}/shards/00007")
    assert len(shards.read_table(tmp_path / "text" / "00007.parquet")) == 2
    assert report["truncated_shard"] == 1


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_broken_table_is_counted_and_leaves_nothing_behind(extract, tmp_path, content):
    extract(["a fish"])
    (tmp_path / "shards" / "00000.parquet").write_bytes(content)
    report = ShardExtractor(SETTINGS, str(tmp_path / "text"), {"00000": "made"})(f"{tmp_path}/shards/00000")
    assert report == {"unreadable_shard": 1}
    assert not files.exists(tmp_path / "text" / "00000.parquet")


def test_a_table_without_captions_is_unreadable(extract, tmp_path):
    shards.write_table(tmp_path / "shards" / "00003.parquet", pa.table({"key": ["000030000"]}))
    report = ShardExtractor(SETTINGS, str(tmp_path / "text"), {"00003": "made"})(f"{tmp_path}/shards/00003")
    assert report == {"unreadable_shard": 1}


def test_an_empty_shard_has_an_empty_table(extract):
    assert extract([]) == []


def test_the_fingerprint_follows_captions_and_settings(extract, tmp_path):
    extract(["a fish"])
    shard = f"{tmp_path}/shards/00000"
    first = fingerprint(shard, SETTINGS)
    assert fingerprint(shard, SETTINGS) == first
    assert (
        fingerprint(shard, ExtractSettings(model="lexicon", entities="mined", max_caption_chars=201)) != first
    )
    extract(["a star"])
    assert fingerprint(shard, SETTINGS) != first


def test_same_captions_same_bytes(extract, tmp_path):
    written = []
    for _ in range(2):
        extract(["a red fish", "two stars\nin the sky", ""])
        written.append((tmp_path / "text" / "00000.parquet").read_bytes())
    assert written[0] == written[1]


def test_spacy_lets_go_of_words_when_they_are_many(parser, monkeypatch):
    strings = parser.pipeline.vocab.strings
    monkeypatch.setattr("ovseg_core.text.pipeline.MOST_WORDS", -parser.lasting)
    parser.forget()  # from here on words are not kept for good
    before = len(strings)
    parser.parse([f"zorbler{i} qux{i}" for i in range(500)])
    assert len(strings) >= before + 1000
    monkeypatch.setattr("ovseg_core.text.pipeline.MOST_WORDS", 999)
    parser.forget()
    assert len(strings) < before + 100
    assert parser.parse(["a red fish"])["a red fish"].noun_phrases == ["red fish"]


def test_another_spacy_pipeline_gives_the_same_columns(tmp_path):
    import spacy

    pipeline = spacy.blank("en")
    ruler: Any = pipeline.add_pipe("attribute_ruler")
    for word, pos, lemma in [
        ("a", "DET", "a"),
        ("red", "ADJ", "red"),
        ("dogs", "NOUN", "dog"),
        ("dog", "NOUN", "dog"),
    ]:
        ruler.add([[{"LOWER": word}]], {"POS": pos, "LEMMA": lemma})
    pipeline.to_disk(tmp_path / "model")
    settings = ExtractSettings(model=str(tmp_path / "model"), entities="mined", max_caption_chars=200)
    table = pa.table({"key": ["000000000"], "caption": ["a red dogs"]})
    shards.write_table(tmp_path / "shards" / "00000.parquet", table)
    ShardExtractor(settings, str(tmp_path / "text"), {"00000": "made"})(f"{tmp_path}/shards/00000")
    made = shards.read_table(tmp_path / "text" / "00000.parquet")
    assert made.schema.equals(extraction.SCHEMA)
    assert made.to_pylist()[0]["noun_phrases"] == ["red dog"]
    assert fingerprint(f"{tmp_path}/shards/00000", settings) != fingerprint(
        f"{tmp_path}/shards/00000", SETTINGS
    )


def test_a_pipeline_without_parts_of_speech_is_refused(tmp_path):
    import spacy

    spacy.blank("en").to_disk(tmp_path / "model")
    settings = ExtractSettings(model=str(tmp_path / "model"), entities="mined", max_caption_chars=200)
    with pytest.raises(
        ValueError, match="has to set parts of speech and lemmas, and its components are: none"
    ):
        ShardExtractor(settings, str(tmp_path / "text"), {})
