"""`ovseg parse`: a row for every caption, whatever it holds."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovseg_core import shards
from ovseg_core.text.extraction import COLUMNS, COUNTS
from ovseg_core.text.settings import ExtractSettings
from pipelines import parse
from pipelines.cli import main
from pipelines.parse import SCHEMA, How, Parser

SETTINGS = ExtractSettings(model="lexicon", entities="mined", max_caption_chars=10_000)
HOW = How(settings=SETTINGS, forms=False)
FISH = {
    **{
        "nouns": ["fish"],
        "adjectives": ["red"],
        "verbs": [],
        "noun_phrases": ["red fish"],
        "entities": ["fish"],
    },
}
HOSTILE = [
    "",
    " \t ",
    "🐶🐱👨‍👩‍👧",
    "dog " * 250_000,
    "x" * 1_000_000,
    "<b>a red fish</b> &amp; a &#115;tar &lt;PERSON&gt;",
    "see https://x.org/a.jpg #sunset #dogs @me www.dogs.com",
    "un perro rojo corre por la playa",
    "красная рыба на песке",
    "صورة كلب أحمر",
    "赤い魚",
    "fÃ¼r die GrÃ¶ÃŸe â€œdogâ€\x9d",
    "a \x00red\x07 fish\x1b[31m\u200b",
    "\x00",
    "\ud800 lone \udfff surrogates",
    "\ufffe\uffff",
    "3 x 5 cm, 100% cotton, $4.99, 20-30°C",
    "photo of the stock photography royalty free image",
    "-", "- - -", "t - shirt", "a-b-c-d -e- f-", "---dog", "'", "''s", "’", "n't",
]  # fmt: skip


@pytest.fixture(scope="module")
def parser():
    return Parser(HOW)


@pytest.fixture
def one_parser(parser, monkeypatch):
    """The command with a parser that is there already: building one takes seconds."""
    monkeypatch.setattr(parse, "Parser", lambda how: parser)


def rows(table):
    return table.drop_columns("caption").to_pylist()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_caption_gets_a_row_and_does_not_touch_its_neighbours(parser, text):
    table, counts = parser(["a red fish", text, "a red fish"])
    first, _, last = rows(table)
    assert first == last == FISH
    assert counts["captions"] == 3
    assert counts["caption_cut"] == (len(text) > 10_000)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=60) | st.sampled_from(HOSTILE[5:]), min_size=1, max_size=8))
def test_any_captions_give_one_row_each_the_same_alone_and_together(parser, texts):
    table, counts = parser(texts)
    assert table.schema.equals(SCHEMA)
    assert counts["captions"] == len(table) == len(texts)
    alone = [rows(parser([text])[0])[0] for text in texts]
    assert rows(table) == alone
    for row in alone:
        for name in COLUMNS:
            assert len(set(row[name])) == len(row[name])  # each once
            assert all(word == word.strip() and word for word in row[name])


def test_rows_are_in_the_order_of_the_file_and_counted(one_parser, tmp_path):
    lines = ["a red fish", "", "two stars", "صورة"] * 2000
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    counts = parse.parse(str(tmp_path / "a.txt"), str(tmp_path / "out.parquet"), HOW)
    table = shards.read_table(tmp_path / "out.parquet")
    assert table["caption"].to_pylist() == lines
    assert rows(table)[4] == FISH
    assert [row["nouns"] for row in rows(table)] == [["fish"], [], ["star"], []] * 2000
    assert counts == {"captions": 8000, "empty_caption": 2000, "no_words": 2000}
    stored = pq.read_metadata(tmp_path / "out.parquet").metadata[COUNTS]
    assert json.loads(stored) == counts


def test_two_processes_write_the_same_bytes_as_one(one_parser, tmp_path):
    lines = [f"a red fish and {i} stars" for i in range(14_000)]  # seven batches: some wait for their turn
    (tmp_path / "a.txt").write_text("\n".join(lines))
    for workers in (1, 2):
        parse.parse(str(tmp_path / "a.txt"), str(tmp_path / f"{workers}.parquet"), HOW, workers=workers)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_row_groups_are_of_several_batches_but_bounded_in_bytes(one_parser, tmp_path, monkeypatch):
    monkeypatch.setattr(parse, "GROUP_ROWS", 4096)  # two batches of 2,048
    lines = [f"star {i}" for i in range(7000)]
    (tmp_path / "a.txt").write_text("\n".join(lines))

    def group_sizes():
        parse.parse(str(tmp_path / "a.txt"), str(tmp_path / "out.parquet"), HOW)
        metadata = pq.read_metadata(tmp_path / "out.parquet")
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    assert group_sizes() == [4096, 2904]
    monkeypatch.setattr(parse, "GROUP_BYTES", 1)
    assert group_sizes() == [2048, 2048, 2048, 856]
    assert shards.read_table(tmp_path / "out.parquet")["caption"].to_pylist() == lines


def test_from_the_command_line_words_as_they_are_written(tmp_path, caplog):
    (tmp_path / "a.csv").write_text("id,caption\n1,Two men ride horses\n2,\n")
    (tmp_path / "names").write_text("man\nhorse\n")
    out = tmp_path / "out.parquet"
    with caplog.at_level("INFO"):
        main(
            [
                "parse",
                str(tmp_path / "a.csv"),
                "--output",
                str(out),
                "--forms",
                "--entities",
                str(tmp_path / "names"),
            ]
        )
    assert shards.read_table(out).to_pylist()[0] == {
        "caption": "Two men ride horses",
        **{"nouns": ["men", "horses"], "adjectives": [], "verbs": ["ride"]},
        **{"noun_phrases": ["men", "horses"], "entities": ["man", "horse"]},
    }
    assert "2 captions" in caplog.text
    assert "1 empty_caption" in caplog.text


def test_forms_are_all_words_as_a_treebank_counts_them(tmp_path):
    lines = ["A dog chases a dog with a Frisbee on a t-shirt today.", "Two men and a long-haired dog ."]
    (tmp_path / "a.json").write_text(json.dumps({"caption": "\n".join(lines)}) + "\n")
    parse.parse(str(tmp_path / "a.json"), str(tmp_path / "o.parquet"), How(settings=SETTINGS, forms=True))
    row = shards.read_table(tmp_path / "o.parquet").to_pylist()[0]
    assert row["nouns"] == ["dog", "dog", "Frisbee", "shirt", "today", "men", "dog"]
    assert row["noun_phrases"] == ["dog", "frisbee", "t-shirt", "men", "long-haired dog"]
    parse.parse(str(tmp_path / "a.json"), str(tmp_path / "l.parquet"), HOW)
    row = shards.read_table(tmp_path / "l.parquet").to_pylist()[0]
    assert row["nouns"] == ["dog", "frisbee", "t-shirt", "man"]
    assert row["adjectives"] == ["long-haired"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt"], "none.txt is not there"),
        (["a.doc"], "end in .txt"),
        (["a.csv", "--column", "said"], "no column 'said'"),
        (["a.csv", "--entities", "none"], "none"),
        (["a.csv", "--workers", "0"], "workers"),
        (["a.csv", "--output", "out.csv"], "has to end in .parquet"),
        (["a.parquet", "--output", "a.parquet"], "has to be another file"),
        (["a.json"], "no row of a.json holds a caption"),
    ],
)
def test_wrong_input_ends_in_one_line_and_writes_nothing(
    one_parser, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("id,caption\n1,dog\n")
    (tmp_path / "a.doc").write_text("dog")
    (tmp_path / "a.json").write_text('[{"caption": "dog"}]')
    with pytest.raises(SystemExit, match="ovseg: ") as error:
        main(["parse", "--output", "out.parquet", *arguments])
    assert message in str(error.value)
    assert not (tmp_path / "out.parquet").exists()
