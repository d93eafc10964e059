from tagged_words import words

from ovseg_core.text.phrases import Parsed, chunks, parse, phrases_of


def test_chunks_are_adjectives_and_then_nouns():
    found = chunks(words("a/DET big/ADJ red/ADJ fire/NOUN truck/NOUN parked/VERB near/ADP trees:tree/NOUN"))
    assert [[word.text for word in chunk] for chunk in found] == [["big", "red", "fire", "truck"], ["trees"]]


def test_adjectives_without_a_noun_make_no_chunk():
    assert chunks(words("the/DET dog/NOUN is/AUX black/ADJ and/CCONJ white/ADJ")) == [words("dog/NOUN")]


def test_joined_adjectives_share_their_noun():
    parsed = parse(words("a/DET black/ADJ and/CCONJ white/ADJ dogs:dog/NOUN"))
    assert parsed.noun_phrases == ["black and white dog", "black dog", "white dog"]


def test_nouns_joined_by_and_are_two_chunks():
    found = chunks(words("red/ADJ fish/NOUN and/CCONJ star/NOUN"))
    assert [[word.text for word in chunk] for chunk in found] == [["red", "fish"], ["star"]]


def test_a_colour_is_named_with_the_last_noun_alone():
    assert phrases_of(words("big/ADJ red/ADJ fire/NOUN trucks:truck/NOUN")) == [
        "big red fire truck",
        "red truck",
    ]
    assert phrases_of(words("little/ADJ girl/NOUN")) == ["little girl"]


def test_lemmas_stand_once_in_the_order_of_appearance():
    parsed = parse(words("dogs:dog/NOUN chase/VERB a/DET dog/NOUN and/CCONJ cats:cat/NOUN run/VERB x/NOUN"))
    assert parsed.nouns == ["dog", "cat"]  # "x" has one letter
    assert parsed.verbs == ["chase", "run"]


def test_lines_of_one_caption_are_put_together():
    first, second = parse(words("red/ADJ dog/NOUN")), parse(words("brown/ADJ dog/NOUN runs:run/VERB"))
    assert Parsed.union([first, second]) == Parsed(
        nouns=["dog"], adjectives=["red", "brown"], verbs=["run"], noun_phrases=["red dog", "brown dog"]
    )
    assert Parsed.union([]) == Parsed()


def test_a_day_names_nothing():
    parsed = parse(words("today/NOUN dog/NOUN food/NOUN yesterday/NOUN"))
    assert parsed.nouns == ["dog", "food"]
    assert parsed.noun_phrases == ["dog food"]
