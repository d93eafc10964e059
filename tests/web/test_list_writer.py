import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ovseg_core import shards
from ovseg_core.params import ParamError
from ovseg_core.web import readers
from ovseg_core.web.list_writer import MAX_CAPTION, write_url_list

A, B, C = (f"http://example.org/{name}.jpg" for name in "abc")


def convert(path, form="auto"):
    """Rows and counts of a URL list."""
    counts = Counter()
    out = path.parent / "out" / "urls.parquet"
    total = write_url_list(str(path), form, out, counts)
    rows = shards.read_table(out).to_pylist()
    assert total == len(rows)
    return rows, dict(counts)


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def pairs(rows):
    return [(row["url"], row["caption"]) for row in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", f'url,caption,licence\n{A},"a cat, a dog",CC0\n{B},fish,\n'),
        ("list.tsv", f"URL\tTEXT\tlicence\n{A}\ta cat, a dog\tCC0\n{B}\tfish\t\n"),
        (
            "list.jsonl",
            f'{{"url": "{A}", "caption": "a cat, a dog", "licence": "CC0"}}\n\n'
            f'{{"licence": "", "url": "{B}", "caption": "fish"}}\n',
        ),
    ],
)
def test_tables_by_name(tmp_path, name, content):
    rows, counts = convert(write(tmp_path / name, content))
    assert pairs(rows) == [(A, "a cat, a dog"), (B, "fish")]
    assert [row["licence"] for row in rows] == ["CC0", ""]
    assert counts == {}


def test_parquet_keeps_further_columns_as_text(tmp_path):
    table = pa.table({"URL": [A, B], "TEXT": ["cat", "fish"], "similarity": [0.25, None], "size": [3, 4]})
    pq.write_table(table, tmp_path / "laion.parquet")
    rows, _ = convert(tmp_path / "laion.parquet")
    assert rows[0] == {"url": A, "caption": "cat", "similarity": "0.25", "size": "3"}
    assert rows[1]["similarity"] is None


def test_our_own_list_is_read_back_as_it_was(tmp_path):
    pq.write_table(pa.table({"url": [A], "caption": [["two cats", "cats on grass"]]}), tmp_path / "a.parquet")
    rows, _ = convert(tmp_path / "a.parquet")
    assert pairs(rows) == [(A, "two cats\ncats on grass")]  # several captions, a line each
    again, _ = convert(tmp_path / "out" / "urls.parquet")
    assert again == rows


def test_a_line_end_inside_a_foreign_caption_is_a_space(tmp_path):
    rows, _ = convert(write(tmp_path / "a.csv", f'url,caption\n{A},"a cat\r\n\ton the  mat "\n'))
    assert pairs(rows) == [(A, "a cat on the mat")]


@pytest.mark.parametrize("text", [f"a cat .\t{A}\nfish\t{B}\n", f"{A}\ta cat .\n{B}\tfish\n"])
def test_conceptual_captions_in_both_orders(tmp_path, text):
    path = write(tmp_path / "cc.tsv", text)
    assert readers.detect(str(path)) == "cc3m"
    rows, _ = convert(path)
    assert pairs(rows) == [(A, "a cat ."), (B, "fish")]


def test_cc3m_lines_that_are_no_pair_are_counted(tmp_path):
    rows, counts = convert(write(tmp_path / "cc.tsv", f'"a "cat"\t{A}\nno url\tat all\nalone\n\n'), "cc3m")
    assert pairs(rows) == [(A, '"a "cat"')]
    assert counts == {"malformed_row": 2}


def test_compressed_files_and_folders(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "2.csv.gz").write_bytes(gzip.compress(f"url,caption\n{B},fish\n{A},cat\n".encode()))
    write(folder / "1.tsv", f"url\tcaption\tlicence\n{A}\tcat\tCC0\n")
    rows, counts = convert(folder)
    assert pairs(rows) == [(A, "cat"), (B, "fish")]
    assert [row["licence"] for row in rows] == ["CC0", None]
    assert counts == {"duplicate_row": 1}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "link_to,alt\nx,y\n"),
        ("a.tsv", "link_to\talt\nx\ty\n"),
        ("a.jsonl", '{"link_to": "x", "alt": "y"}\n'),
    ],
)
def test_missing_columns_are_told_with_those_that_are_there(tmp_path, name, content):
    with pytest.raises(
        ParamError, match=r"'link_to'.*holds the url; accepted names: url, image_url"
    ) as caught:
        convert(write(tmp_path / name, content))
    assert "'alt'" in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


def test_missing_column_of_parquet(tmp_path):
    pq.write_table(pa.table({"url": [A], "label": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(ParamError, match=r"'url', 'label'.*holds the caption"):
        convert(tmp_path / "a.parquet")


def test_no_file_no_rows_no_format(tmp_path):
    with pytest.raises(ParamError, match=r"web\.urls is .*no such file"):
        convert(tmp_path / "none.csv")
    with pytest.raises(ParamError, match=r"no usable row.*no_caption"):
        convert(write(tmp_path / "a.csv", f"url,caption\n{A},\n"))
    with pytest.raises(ParamError, match=r"set web\.format to one of parquet, tsv"):
        convert(write(tmp_path / "a.xyz", "x"))
    with pytest.raises(ParamError, match=r"a\.parquet cannot be read"):
        convert(write(tmp_path / "a.parquet", "no parquet"))
    with pytest.raises(ParamError, match="not valid JSON"):
        convert(write(tmp_path / "a.json", "{"))


def test_nulls_and_blanks_are_counted(tmp_path):
    table = pa.table({"url": [A, None, B, "  ", C], "caption": ["cat", "dog", None, "x", " \t "]})
    pq.write_table(table, tmp_path / "a.parquet")
    rows, counts = convert(tmp_path / "a.parquet")
    assert pairs(rows) == [(A, "cat")]
    assert counts == {"no_url": 2, "no_caption": 2}


def test_a_caption_of_a_megabyte_is_cut(tmp_path):
    rows, counts = convert(write(tmp_path / "a.csv", f"url,caption\n{A},{'cat ' * 250_000}\n{B},fish\n"))
    assert len(rows[0]["caption"]) == MAX_CAPTION
    assert pairs(rows)[1] == (B, "fish")
    assert counts == {"caption_cut": 1}


def test_control_characters_right_to_left_text_and_emoji(tmp_path):
    captions = ["a\x00b\x07c\x1b[31m\x85d", "صورة قطة‏", "🐈‍⬛ cat 👍🏽", "half \ud83d a pair"]
    lines = [json.dumps({"url": f"{A}?{i}", "caption": text}) for i, text in enumerate(captions)]
    rows, _ = convert(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert [row["caption"] for row in rows] == [
        "a b c [31m d",
        "صورة قطة‏",
        "🐈‍⬛ cat 👍🏽",
        "half � a pair",
    ]


def test_bytes_that_are_no_utf8(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfurl,caption\n" + A.encode() + b",caf\xe9\n")
    rows, _ = convert(tmp_path / "a.csv")
    assert pairs(rows) == [(A, "caf\ufffd")]


def test_identical_rows_collapse(tmp_path):
    text = "url,caption\n" + f"{A},cat\n" * 50_000 + f"{A},another caption\n"
    rows, counts = convert(write(tmp_path / "a.csv", text))
    assert pairs(rows) == [(A, "cat"), (A, "another caption")]
    assert counts == {"duplicate_row": 49_999}


def test_malformed_lines_are_counted(tmp_path):
    good = json.dumps({"url": A, "caption": "cat"})
    rows, counts = convert(write(tmp_path / "a.jsonl", f"{good}\n{{broken\n[1]\nnull\n{'[' * 100_000}\n"))
    assert pairs(rows) == [(A, "cat")]
    assert counts == {"malformed_line": 4}


def test_rows_of_another_width_are_counted(tmp_path):
    rows, counts = convert(write(tmp_path / "a.csv", f"url,caption\n{A},cat\n{B}\n{C},a,b\n\n"))
    assert pairs(rows) == [(A, "cat")]
    assert counts == {"malformed_row": 2}


def test_a_stray_quote_does_not_swallow_the_file_in_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_FIELD", 1000)
    path = write(tmp_path / "a.csv", f'url,caption\n{A},"cat\n' + f"{B},fish\n" * 100)
    with pytest.raises(ParamError, match=r"a\.csv, line \d+: field larger"):
        convert(path)


def test_an_endless_url_is_dropped(tmp_path):
    rows, counts = convert(write(tmp_path / "a.csv", f"url,caption\n{A}{'x' * 9000},cat\n{B},fish\n"))
    assert pairs(rows) == [(B, "fish")]
    assert counts == {"url_too_long": 1}


def test_the_same_list_gives_the_same_bytes(tmp_path):
    path = write(tmp_path / "a.csv", f"url,caption\n{A},cat\n{B},fish\n")
    for name in ("one.parquet", "two.parquet"):
        write_url_list(str(path), "auto", tmp_path / name, Counter())
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
