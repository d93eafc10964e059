"""Which visible things a tagged caption names."""

import pytest
from tagged_words import words

from ovseg_core.text.entity_sets import NAMED, MinedEntities, NamedEntities, load, read_names
from ovseg_core.text.lemmas import Lemmas
from ovseg_core.text.visible import COMPOUNDS, LEFT_OUT, why_left_out


@pytest.fixture(scope="module")
def lemmas():
    return Lemmas()


@pytest.fixture(scope="module")
def mined(lemmas):
    return MinedEntities(lemmas)


def test_plurals_meet_their_entry_but_for_forms_that_are_entries_themselves():
    named = NamedEntities(["man", "men", "dog", "child"])
    text = words("two/NUM men:man/NOUN a/DET man/NOUN dogs:dog/NOUN and/CCONJ children:child/NOUN")
    assert named.find(text) == ["men", "man", "dog", "child"]
    assert NamedEntities(["man", "dog"]).find(text) == ["man", "man", "dog"]


def test_the_longest_entry_is_taken_and_its_words_are_not_counted_again():
    named = NamedEntities(["bear", "teddy bear", "fire hydrant", "fire"])
    text = words(
        "teddy/NOUN bears:bear/NOUN near/ADP a/DET bear/NOUN ,/PUNCT fire/NOUN hydrant/NOUN fire/NOUN"
    )
    assert named.find(text) == ["teddy bear", "bear", "fire hydrant", "fire"]
    assert named.find(words("a/DET teddy/NOUN")) == []


def test_synonyms_stand_for_the_first_name():
    assert NamedEntities(["sofa, couch"]).find(words("couches:couch/NOUN sofa/NOUN")) == ["sofa", "sofa"]


def test_only_nouns_and_names_are_entities():
    named = NamedEntities(["orange", "light"])
    assert named.find(words("orange/ADJ shirt/NOUN light/ADJ orange/NOUN")) == ["orange"]
    assert named.find(words("light/PROPN")) == ["light"]


def test_the_set_of_the_paper():
    names = NAMED["ovsegmentor"]
    assert len(names) == 100
    assert "person" not in names
    assert {"men", "man", "T-shirt", "skis"} <= set(names)
    found = load("ovsegmentor", Lemmas()).find(words("a/DET t-shirt/NOUN skis:ski/NOUN tv/NOUN"))
    assert found == ["t-shirt", "skis", "tv"]


def test_mined_entities_are_listed_nouns_that_can_be_seen(mined):
    text = words(
        "photo/NOUN of/ADP dogs:dog/NOUN on/ADP a/DET day/NOUN zorbler/NOUN teddy/NOUN bears:bear/NOUN"
    )
    assert mined.find(text) == ["dog", "teddy bear"]


@pytest.mark.parametrize(
    ("noun", "rule"),
    [
        ("art", "about_the_picture"), ("view", "about_the_picture"), ("day", "time"), ("time", "time"),
        ("illustration", "about_the_picture"), ("background", "about_the_picture"), ("person", "placeholder"),
        ("happiness", "abstract_ending"), ("swimming", "abstract_ending"), ("station", ""), ("building", ""),
        ("ring", ""), ("engineering", "sport_or_field"), ("drawing", "about_the_picture"), ("x", "too_short"),
        ("tv", ""), ("dog", ""), ("man", ""), ("sky", ""), ("monument", ""), ("friendship",
        "abstract_ending"),
    ],
)  # fmt: skip
def test_why_a_noun_is_left_out(noun, rule):
    assert why_left_out(noun) == rule


def test_every_left_out_noun_is_a_lemma_and_compounds_are_no_single_words(lemmas):
    assert all(" " not in noun and noun == noun.lower() for noun in LEFT_OUT)
    assert all(len(name.split()) > 1 for name in COMPOUNDS)


def test_a_file_of_names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeff# animals\ndog\n\nsofa, couch\n , \n", encoding="utf-8")
    assert read_names(path) == ["dog", "sofa, couch"]
    assert load(str(path), Lemmas()).find(words("dogs:dog/NOUN couch/NOUN")) == ["dog", "sofa"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        read_names(path)
    path.write_text("# nothing\n")
    with pytest.raises(ValueError, match="holds no name"):
        read_names(path)
