"""The lexicon tagger as the pipeline runs it."""

import math

import pytest

from ovseg_core.text.steps import COSTS, best_path
from ovseg_core.text.tagger import UPOS


def parts(parser, text):
    return {token.text: token.pos_ for token in parser.pipeline(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a man rides a horse", {"man": "NOUN", "rides": "VERB", "horse": "NOUN"}),
        ("the rides at the beach", {"rides": "NOUN", "beach": "NOUN"}),
        ("two dogs run on a run", {"dogs": "NOUN"}),
        ("a dog is running", {"is": "AUX", "running": "VERB"}),
        ("children play by the water", {"children": "NOUN", "play": "VERB", "water": "NOUN"}),
        ("they water the play", {"water": "VERB", "play": "NOUN"}),
        ("a boy wants to park near the park", {"boy": "NOUN", "wants": "VERB"}),
        ("an orange cat beside a building", {"orange": "ADJ", "cat": "NOUN", "building": "NOUN"}),
        ("snowy mountains", {"snowy": "ADJ", "mountains": "NOUN"}),
        (
            "a brown dog jumps over wooden steps",
            {"brown": "ADJ", "jumps": "VERB", "wooden": "ADJ", "steps": "NOUN"},
        ),
        ("a zorbler in a t-shirt", {"zorbler": "NOUN", "t-shirt": "NOUN"}),
        ("a long-haired girl with 3 balls", {"long-haired": "ADJ", "3": "NUM", "balls": "NOUN"}),
    ],
)
def test_parts_of_speech_follow_from_the_neighbours(parser, text, expected):
    found = parts(parser, text)
    assert {word: found[word] for word in expected} == expected


def test_the_same_word_is_a_verb_here_and_a_noun_there(parser):
    found = [token.pos_ for token in parser.pipeline("two dogs run on the run")]
    assert (found[2], found[5]) == ("VERB", "NOUN")


def test_a_capital_makes_a_name_unless_all_words_have_one(parser):
    assert parts(parser, "a photo of Paris in spring")["Paris"] == "PROPN"
    assert parts(parser, "Red Fish on White Sand")["Fish"] == "NOUN"
    assert parts(parser, "Dog on a beach")["Dog"] == "NOUN"
    assert parts(parser, "the Chinese flag")["Chinese"] == "ADJ"


def test_addresses_other_scripts_and_endless_words_are_no_nouns(parser):
    long = "a" * 60
    found = parts(parser, f"www.dogs.com صورة собака {long}")
    assert "NOUN" not in {found["صورة"], found["собака"], found[long], found["www.dogs.com"]}


def test_the_best_path_is_the_one_of_lowest_cost():
    # "the flies fly": DT then NNS or VBZ, then VB or NN. All four paths, added up by hand from the table:
    words = [(("DT", 0.0),), (("NNS", math.log(0.3)), ("VBZ", math.log(0.7))), (("VB", -0.5), ("NN", -0.5))]
    costs = {
        (a, b): COSTS["DT"][a] + COSTS[a][b] - dict(words[1])[a] - dict(words[2])[b]
        for a in ("NNS", "VBZ")
        for b in ("VB", "NN")
    }
    assert tuple(best_path(words)[1:]) == min(costs, key=costs.__getitem__) == ("NNS", "VB")
    assert best_path([]) == []


def test_every_tag_has_a_row_and_a_column():
    assert set(COSTS) == set(UPOS) | {"ST"}
    assert all(set(row) == set(UPOS) for row in COSTS.values())


def test_torch_is_not_needed_to_tag():
    import subprocess
    import sys

    code = (
        "import sys; from ovseg_core.text.pipeline import load\n"
        "load('lexicon'); assert 'torch' not in sys.modules; import torch; torch.zeros(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
