"""What grammar mends in tagged captions."""

import pytest
from tagged_words import words

from ovseg_core.text.lexicon import shared
from ovseg_core.text.mends import mended


def mend(text):
    given = words(text)
    found = mended(list(given), [word.text for word in given], shared())
    return [(b.text, b.lemma, b.pos) for a, b in zip(given, found, strict=True) if a != b]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("a/DET girl/NOUN drinks:drink/NOUN water/NOUN", [("drinks", "drink", "VERB")]),
        ("an/DET old/ADJ race/NOUN horse/NOUN jumps:jump/NOUN", [("jumps", "jump", "VERB")]),
        ("the/DET soft/ADJ drink/NOUN cans:can/NOUN", []),  # several, of which some are cans
        ("a/DET sports:sport/NOUN car/NOUN", []),  # no noun before it that could do something
        ("a/DET glass/NOUN of/ADP fruit/NOUN drinks:drink/NOUN", []),  # "a" belongs to the glass
        ("a/DET sports:sport/NOUN drinks:drink/NOUN bottle/NOUN", []),  # a plural does not take "drinks"
        ("a/DET toy/NOUN trousers/NOUN", []),  # a plural in form alone
        ("a/DET toy/NOUN elephants:elephant/NOUN", []),  # no verb at all
    ],
)
def test_what_follows_one_thing_is_no_plural(text, changed):
    assert mend(text) == changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("an/DET orange/ADJ on/ADP a/DET plate/NOUN", ["orange"]),
        ("slices/NOUN of/ADP orange/ADJ and/CCONJ lemon/NOUN", ["orange"]),
        ("ice/NOUN cream/ADJ cone/NOUN", ["cream"]),
        ("an/DET orange/ADJ cat/NOUN", []),
        ("an/DET orange/ADJ and/CCONJ white/ADJ cat/NOUN", []),
        ("an/DET orange/ADJ -/PUNCT haired/ADJ man/NOUN", []),
        ("a/DET woman/NOUN in/ADP orange/ADJ", []),
        ("the/DET sky/NOUN is/AUX orange/ADJ", []),
        ("a/DET red/ADJ on/ADP a/DET plate/NOUN", []),  # no thing is called so
    ],
)
def test_a_colour_that_describes_nothing_is_the_thing_of_its_name(text, changed):
    assert mend(text) == [(word, word, "NOUN") for word in changed]
