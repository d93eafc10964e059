"""Captions from files of every form."""

import json
from collections import Counter

import pyarrow as pa
import pytest

from ovseg_core import shards
from ovseg_core.text import caption_files

CAPTIONS = ["a dog", "", 'say "hi", dog', "größe 🐶", "two\tstars"]


def read(path, column=None):
    counts = Counter()
    return [text for batch in caption_files.read(str(path), column, counts) for text in batch], +counts


def test_a_line_of_text_is_a_caption(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff" + "\n".join(CAPTIONS) + "\r\nlast\u2028one", encoding="utf-8")
    assert read(tmp_path / "a.txt") == ([*CAPTIONS, "last\u2028one"], {})
    (tmp_path / "b.txt").write_bytes(b"a \xff dog\n")
    assert read(tmp_path / "b.txt")[0] == ["a \ufffd dog"]


def test_csv_with_a_heading(tmp_path):
    (tmp_path / "a.csv").write_text('url,Caption\nx,"a ""red"" dog,\nand a cat"\ny\nz,', encoding="utf-8")
    assert read(tmp_path / "a.csv") == (['a "red" dog,\nand a cat', "", ""], {"bad_row": 1})
    assert read(tmp_path / "a.csv", "url")[0] == ["x", "y", "z"]
    with pytest.raises(ValueError, match="no column 'said'; the file has url, Caption"):
        read(tmp_path / "a.csv", "said")


def test_a_table_without_a_heading_has_its_captions_first(tmp_path):
    (tmp_path / "cc3m.tsv").write_text('a "dog\thttp://a\na cat\thttp://b\n')
    assert read(tmp_path / "cc3m.tsv") == (['a "dog', "a cat"], {})
    (tmp_path / "cc12m.tsv").write_text("https://a\ta dog\nhttps://b\thttps://c\n")
    assert read(tmp_path / "cc12m.tsv") == (["a dog", "https://c"], {})
    (tmp_path / "big.csv").write_text("x" * 1_000_000 + ",url\n")
    assert len(read(tmp_path / "big.csv")[0][0]) == 1_000_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"id;caption\n1;a dog\n", "separated by ';'"),
        ("a.csv", b"id\tcaption\n1\ta dog\n", r"separated by '\\t'"),
        ("a.tsv", b"id,caption\n1,a dog\n", "separated by ','"),
        ("a.txt", "a dog".encode("utf-16"), "UTF-16"),
        ("b/a.txt", b"a dog", "without shards"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path, name, content, message):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name.partition("/")[0])


def test_blank_and_semicolons_in_captions_are_no_heading(tmp_path):
    (tmp_path / "a.csv").write_text("\na dog; a caption\n")
    assert read(tmp_path / "a.csv") == (["", "a dog; a caption"], {"bad_row": 1})


def test_json_lines_and_what_is_none(tmp_path):
    rows = [
        json.dumps({"caption": "a dog"}),
        "{",
        json.dumps({"text": "x"}),
        "[1]",
        json.dumps({"url": 1}),
        '"cat"',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    assert read(tmp_path / "a.jsonl") == (["a dog", "", "x", "", "", "cat"], {"bad_row": 3})


def test_parquet_and_shards(tmp_path):
    shards.write_table(tmp_path / "a.parquet", pa.table({"text": ["a dog", None]}))
    assert read(tmp_path / "a.parquet") == (["a dog", ""], {})
    with pytest.raises(ValueError, match="no column said; it has text"):
        read(tmp_path / "a.parquet", "said")
    for name in ("00000", "00001"):
        shards.write_tar(
            tmp_path / "shards" / f"{name}.tar", [{"__key__": name, "txt": f"dog {name}".encode()}]
        )
    (tmp_path / "shards" / "00002.tar").write_bytes(b"no tar")
    found, counts = read(tmp_path / "shards")
    assert found == ["dog 00000", "dog 00001"]
    assert counts.total() == 1


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.doc").write_text("a dog")
    with pytest.raises(ValueError, match=r"end in \.txt"):
        read(tmp_path / "a.doc")


def test_long_captions_are_handed_on_by_fewer(tmp_path):
    (tmp_path / "a.txt").write_text(("x" * 1_000_000 + "\n") * 10)
    assert [len(batch) for batch in caption_files.read(str(tmp_path / "a.txt"), None, Counter())] == [9, 1]


def test_an_empty_file_has_no_caption(tmp_path):
    for name in ("a.txt", "a.csv", "a.jsonl"):
        (tmp_path / name).write_text("")
        assert read(tmp_path / name) == ([], {})
