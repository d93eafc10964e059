import numpy as np
import pyarrow as pa
import pytest

from ovseg_core.text import filters
from ovseg_core.text.filters import WordingLimit, taken_parts, units, wording, words_per_row

LISTS = pa.list_(pa.string())
COLUMNS = ("nouns", "adjectives", "verbs", "noun_phrases")


def text_table(*rows):
    """Rows of (nouns, adjectives, verbs, noun phrases), each a string of words or phrases by comma."""
    lists = [[[item for item in cell.split(",") if item] for cell in row] for row in rows]
    return pa.table({name: pa.array([row[i] for row in lists], LISTS) for i, name in enumerate(COLUMNS)})


def as_tuples(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def chunked(*texts):
    return pa.chunked_array([pa.array(texts, pa.string())])


def test_every_word_of_a_row_stands_once_under_its_first_part():
    table = text_table(("fish,orange", "red,orange", "fish,swim", "red fish"), ("", "", "run", ""))
    assert as_tuples(units(table)) == [
        (0, "fish", "noun"),
        (0, "orange", "noun"),
        (0, "red", "adjective"),
        (0, "swim", "verb"),
        (1, "run", "verb"),
        (0, "red fish", "phrase"),
    ]


def test_phrases_are_an_adjective_of_the_same_row_and_a_noun():
    table = text_table(
        ("truck,fire", "red", "", "fire truck,red truck,big red truck,truck"),
        ("fire,truck", "big", "", "red truck"),  # "red" is an adjective in the other row only
    )
    assert [row for row in as_tuples(units(table)) if row[2] == "phrase"] == [(0, "red truck", "phrase")]


def test_all_words_adds_what_is_of_no_open_class():
    table = text_table(("fish", "red", "swim", ""))
    found = units(table, chunked("The 3 RED fish, swims!"))
    assert [row[1] for row in as_tuples(found) if row[2] == "other"] == ["the", "swims"]


def test_what_a_caption_filter_takes():
    assert taken_parts("noun_adj", phrases=False) == ("noun", "adjective")
    assert taken_parts("noun_adj_verb", phrases=True) == ("noun", "adjective", "verb", "phrase")
    assert taken_parts("all_words", phrases=False) == ("noun", "adjective", "verb", "other")


def test_lists_of_chunked_tables_keep_their_rows():
    table = pa.concat_tables(
        [
            text_table(("fish", "", "", "")),
            text_table(("", "red", "", "")),
            text_table(("star,kite", "", "", "")),
        ]
    )
    assert words_per_row(units(table), 4).to_pylist() == [["fish"], ["red"], ["star", "kite"], []]
    assert words_per_row(units(table).slice(0, 0), 2).to_pylist() == [[], []]


def test_captions_that_differ_in_articles_digits_and_signs_have_one_wording():
    texts = chunked(
        "A Red fish, 12!", "the red  fish", "red fish 🐟", "a red fishes", "a theatre", "42", "Ça и Я"
    )
    assert wording(texts).to_pylist() == [
        "red fish",
        "red fish",
        "red fish",
        "red fishes",
        "theatre",
        "",
        "ça и я",
    ]


def test_only_so_many_captions_of_one_wording_pass_over_all_calls():
    limit = WordingLimit(2)
    assert limit.passes(chunked("b", "a", "a", "a", "c")).tolist() == [True, True, True, False, True]
    assert limit.passes(chunked()).tolist() == []
    # a: spent; b: one left; c: one left
    assert limit.passes(chunked("a", "b", "d", "b", "c", "c")).tolist() == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]


def test_wordings_agree_with_a_dictionary():
    rng = np.random.default_rng(0)
    limit = WordingLimit(3)
    seen: dict[str, int] = {}
    for _ in range(20):
        texts = [str(number) for number in rng.integers(0, 40, 50)]
        expected = []
        for text in texts:
            seen[text] = seen.get(text, 0) + 1
            expected.append(seen[text] <= 3)
        assert limit.passes(chunked(*texts)).tolist() == expected
    assert (np.diff(limit.hashes.astype(object)) > 0).all()


@pytest.mark.parametrize("name", filters.TAKEN)
def test_nouns_are_always_taken(name):
    assert "noun" in taken_parts(name, phrases=False)
