"""The tagger as the pipeline runs it."""

import subprocess
import sys

import pytest

from ovseg_core.text.lexicon import beyond_words
from ovseg_core.text.network import MOST_WORDS
from ovseg_core.text.phrases import Word


def parts(parser, text):
    return {word.text: word.pos for word in parser.words(parser.pipeline(text))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a man rides a horse", {"man": "NOUN", "rides": "VERB", "horse": "NOUN"}),
        ("the rides at the beach", {"rides": "NOUN", "beach": "NOUN"}),
        ("two dogs run on a run", {"dogs": "NOUN"}),
        ("a dog is running", {"is": "AUX", "running": "VERB"}),
        ("children play by the water", {"children": "NOUN", "play": "VERB", "water": "NOUN"}),
        ("a boy wants to park near the park", {"boy": "NOUN", "wants": "VERB"}),
        ("an orange cat beside a building", {"orange": "ADJ", "cat": "NOUN", "building": "NOUN"}),
        ("snowy mountains", {"snowy": "ADJ", "mountains": "NOUN"}),
        (
            "a brown dog jumps over wooden steps",
            {"brown": "ADJ", "jumps": "VERB", "wooden": "ADJ", "steps": "NOUN"},
        ),
        ("a zorbler in a t-shirt", {"zorbler": "NOUN", "t-shirt": "NOUN"}),
        ("a long-haired girl with 3 balls", {"long-haired": "ADJ", "3": "NUM", "balls": "NOUN"}),
        ("boats on the lake", {"boats": "NOUN", "lake": "NOUN"}),
        ("Old Boats On The Lake At Sunset", {"boats": "NOUN", "lake": "NOUN", "sunset": "NOUN"}),
        ("OLD BRICK HOUSE BY THE LAKE", {"brick": "NOUN", "house": "NOUN", "lake": "NOUN"}),
        ("we went to Lake Tahoe for the winter", {"lake": "PROPN", "tahoe": "PROPN"}),
        ("a 24x36 poster", {"24x36": "NUM", "poster": "NOUN"}),
    ],
)
def test_parts_of_speech_follow_from_the_neighbours(parser, text, expected):
    found = parts(parser, text)
    assert {word: found[word] for word in expected} == expected


def test_the_same_word_is_a_verb_here_and_a_noun_there(parser):
    found = [token.pos_ for token in parser.pipeline("two dogs run on the run")]
    assert (found[2], found[5]) == ("VERB", "NOUN")


def test_a_capital_makes_a_name_unless_all_words_have_one(parser):
    assert parts(parser, "a photo of Paris in spring")["paris"] == "PROPN"
    assert parts(parser, "Red Fish on White Sand")["fish"] == "NOUN"
    assert parts(parser, "Dog on a beach")["dog"] == "NOUN"
    assert parts(parser, "the Chinese flag")["chinese"] == "ADJ"


def test_a_name_that_is_a_word_is_the_word_where_spelling_says_nothing(parser):
    text = parser.pipeline("Boats on Lake Tahoe")

    def first(*words):
        return parser.words.joined(text, [Word(word, word, "PROPN") for word in words])[0]

    assert first("boats", "tahoe") == Word("boats", "boat", "NOUN")
    assert first("tahoe", "boats").pos == "PROPN"
    assert parser.words.word("lake", "PROPN", "lake").pos == "NOUN"
    assert parser.words.word("Lake", "PROPN", "lake").pos == "PROPN"
    assert parser.words.word("paris", "PROPN", "paris").pos == "PROPN"  # mostly written large


def test_addresses_other_scripts_and_endless_words_are_no_nouns(parser):
    long = "a" * 60
    found = parts(parser, f"www.dogs.com صورة собака {long} 🐶 !!! 2.5")
    assert {found[word] for word in ("www.dogs.com", "صورة", "собака", long)} == {"X"}
    assert (found["🐶"], found["!"], found["2.5"]) == ("X", "PUNCT", "NUM")


@pytest.mark.parametrize(
    ("word", "part"),
    [("12", "NUM"), ("1,000.5", "NUM"), ("$", "SYM"), ("...", "PUNCT"), ("http://x.y", "X"), ("a@b.c", "X")],
)
def test_what_is_no_word_has_one_part_of_speech(word, part):
    assert beyond_words(word) == part
    assert beyond_words("dog") is None


TEXTS = ["a red fish", "", "two stars in the sky", "the dog leaps over a fence , in snow", "Fish"]


def tags(docs):
    return [[(token.pos_, token.lemma_) for token in doc] for doc in docs]


def test_a_text_is_tagged_the_same_alone_and_among_others(parser):
    pipe = parser.pipeline.pipe
    together = tags(pipe(TEXTS))
    assert together == [tags(pipe([text]))[0] for text in TEXTS]
    assert together == tags(list(pipe(TEXTS[::-1]))[::-1])
    assert together[0] == [("DET", "a"), ("ADJ", "red"), ("NOUN", "fish")]


def test_it_forgets_words_when_there_are_many_and_goes_on(parser, monkeypatch):
    tagger = parser.pipeline.get_pipe("ovseg_tagger")
    before = tags(parser.pipeline.pipe(TEXTS))
    monkeypatch.setattr("ovseg_core.text.network.MOST_WORDS", 3)
    assert tags(parser.pipeline.pipe(TEXTS)) == before
    assert tags(parser.pipeline.pipe(TEXTS)) == before
    assert tagger.network.number < 50 < MOST_WORDS


def test_torch_is_not_needed_to_tag():
    code = (
        "import sys; from ovseg_core.text.pipeline import load\n"
        "load('lexicon'); assert 'torch' not in sys.modules; import torch; torch.zeros(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
