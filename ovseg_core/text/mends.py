"""What grammar says of a tagged caption where the tagger, which learns from sentences, is mostly wrong.

After "a", a noun phrase ends in a singular, so in "a girl drinks water" the third word is a verb. The name of
a colour that is a thing too is a noun where nothing follows that it could describe: "an orange on a plate".
"""

from collections.abc import Sequence

from ovseg_core.text.lexicon import Lexicon
from ovseg_core.text.phrases import JOINS, Word

SINGULAR = frozenset(("a", "an", "another", "each", "every", "this"))  # one of what follows
THINGS = frozenset(
    ("orange", "cream", "olive", "lavender", "violet", "gold", "silver", "ivory")
)  # and colours
BEFORE_THING = frozenset(("DET", "NUM", "NOUN"))
BEFORE_VERB = frozenset(("NOUN", "ADJ"))


def mended(words: list[Word], texts: Sequence[str], lexicon: Lexicon) -> list[Word]:
    """The words, some of them with another part of speech and lemma; `texts` are theirs."""
    if not THINGS.isdisjoint(texts):
        words = [_thing(words, place) for place in range(len(words))]
    if not SINGULAR.isdisjoint(texts):
        for place in range(2, len(words)):
            word = words[place]
            if word.pos == "NOUN" and word.lemma != word.text and words[place - 1].pos == "NOUN":
                words[place] = _verb(words, place, lexicon)
    return words


def _verb(words: Sequence[Word], place: int, lexicon: Lexicon) -> Word:
    """The word at `place`, a plural after a noun, as a verb where that noun is a singular that "a" begins."""
    word, subject = words[place], words[place - 1]
    start = place - 1
    while start and words[start].pos in BEFORE_VERB:
        start -= 1
    if words[start].text in SINGULAR and subject.lemma == subject.text and "VBZ" in lexicon.listed(word.text):
        return word._replace(lemma=lexicon.lemmas.lemma(word.text, "verb"), pos="VERB")
    return word


def _thing(words: Sequence[Word], place: int) -> Word:
    """The word at `place`, as a noun where it is a colour's name and describes nothing."""
    word = words[place]
    if word.pos != "ADJ" or word.text not in THINGS:
        return word
    before = words[place - 1] if place else None
    after = words[place + 1 : place + 3]
    if after and after[0].text == "-":  # "an orange-hooded man"
        return word
    if after and after[0].text in JOINS:  # "an orange and white cat", but "an orange and lemons"
        describes = len(after) > 1 and after[1].pos == "ADJ"
    else:
        describes = bool(after) and after[0].pos in ("NOUN", "ADJ", "PROPN")
    if (
        before
        and (before.pos in BEFORE_THING or before.text == "of")
        and (not describes or before.pos == "NOUN")
    ):
        return word._replace(lemma=word.text, pos="NOUN")
    return word
