import pytest

from ovseg_core.text.entity_sets import NAMED
from ovseg_core.text.masking import find, masked, named

SET = [name.lower() for name in NAMED["ovsegmentor"]]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Two dogs on a sofa.", "Two [MASK] on a [MASK]."),
        ("A T-shirt, a man and other men", "A [MASK], a [MASK] and other [MASK]"),
        ("knives beside a doughnut", "[MASK] beside a doughnut"),  # plural by WordNet's list
        ("a person in a carpet shop", "a person in a carpet shop"),  # "car" is no part of a word
        ("", ""),
    ],
)
def test_every_entity_of_the_papers_set_is_masked(caption, expected):
    assert masked(caption, SET, "[MASK]") == expected


def test_some_of_the_entities_can_be_masked():
    assert masked("a dog, a cat and dogs", ["dog", "cat"], "#", only=["dog"]) == "a #, a cat and #"


def test_names_are_found_in_order_each_where_it_stands():
    said = find("Cats chase teddy bears", ("bear", "teddy bear", "cat"))
    assert [(place.start, place.end, place.name) for place in said] == [(0, 4, "cat"), (11, 22, "teddy bear")]
    assert named("a dog and a cat and a dog", ["cat", "dog", "fish"]) == ["dog", "cat"]


def test_verbs_are_found_in_any_form_where_asked():
    caption, names = "a boy sat, riding past parked cars", ["boy", "sit", "ride", "park", "car"]
    assert named(caption, names) == ["boy", "car"]
    assert named(caption, names, verbs=True) == names
