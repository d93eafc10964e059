import pytest

from ovseg_core.text.lemmas import Lemmas


@pytest.fixture(scope="module")
def lemmas():
    return Lemmas()


@pytest.mark.parametrize(
    ("part", "pairs"),
    [
        ("verb", "riding ride, running run, hoping hope, hopping hop, lying lie, skiing ski, ran run"),
        ("verb", "tried try, watches watch, bathing bathe, climbing climb, dining dine, agreed agree"),
        ("verb", "stopped stop, staring stare, sat sit, was be, dancing dance, freezing freeze"),
        ("verb", "swinging swing, changing change, singing sing, hanging hang"),
        ("noun", "dogs dog, crosses cross, women woman, children child, leaves leaf, horses horse"),
        ("noun", "pants pants, grass grass, physics physics, fish fish, colors color, people people"),
        ("noun", "boss boss, candies candy, geese goose, buses bus, skis ski, benches bench, knives knife"),
        ("adj", "bigger big, happiest happy, utter utter, red red"),
    ],
)  # fmt: skip
def test_dictionary_forms(lemmas, part, pairs):
    for word, expected in (pair.split() for pair in pairs.split(", ")):
        assert lemmas.lemma(word, part) == expected


def test_riding_comes_from_ride_though_rid_is_listed_too(lemmas):
    # "rid" would double its d; the rules of the lookups come upon it last, and spaCy takes the last
    assert lemmas.inflections("riding", "verb") == [("ride", "ing"), ("rid", "ing")]


@pytest.mark.parametrize(
    ("word", "part", "expected"),
    [
        ("zorblers", "noun", "zorbler"),
        ("zorblies", "noun", "zorbly"),
        ("glorches", "noun", "glorch"),
        ("glorbus", "noun", "glorbus"),
        ("vlogging", "verb", "vlog"),
        ("blarged", "verb", "blarg"),
        ("zorbated", "verb", "zorbate"),
        ("gribing", "verb", "gribe"),
    ],
)
def test_words_in_no_list_go_by_their_spelling(lemmas, word, part, expected):
    assert not lemmas.knows(expected, part)
    assert lemmas.lemma(word, part) == expected
