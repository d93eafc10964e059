"""From the tokens of a tagged spaCy text to words.

Captions write names small and begin with a capital, so what a tagger takes for a name may be none: "a boat on
the lake", "Boat on a lake". Words that are mostly written small are nouns in such places.
"""

from typing import TYPE_CHECKING

from ovseg_core.text.lexicon import shared
from ovseg_core.text.phrases import PARTS, Word, join_hyphens

if TYPE_CHECKING:
    from spacy.strings import StringStore
    from spacy.tokens import Doc

MOST_WORDS = 100_000  # that are remembered
# Nouns in Universal Dependencies, but they name nothing, and no phrase goes on over them.
DAYS = frozenset(("today", "tomorrow", "tonight", "yesterday"))


class WordReader:
    """Reads the words of a text, those with hyphens in one piece. Each distinct word is put together once."""

    def __init__(self, strings: "StringStore") -> None:
        from spacy.attrs import LEMMA, ORTH, POS
        from spacy.parts_of_speech import NAMES

        self.strings, self.parts = strings, {number: name for number, name in NAMES.items() if name}
        self.lexicon = shared()
        self.attributes = [ORTH, POS, LEMMA]
        self.hyphen = strings.add("-")
        self.known: dict[tuple[int, ...], Word] = {}

    def __call__(self, doc: "Doc") -> list[Word]:
        if not len(doc):
            return []
        if len(self.known) > MOST_WORDS:
            self.known.clear()
        known = self.known
        keys = list(map(tuple, doc.to_array(self.attributes).tolist()))
        words = [known.get(key) or self._read(key) for key in keys]
        if words[0].pos == "PROPN" and self.lexicon.is_noun(words[0].text):
            words[0] = self._noun(words[0].text)  # "Boat on the water"
        if any(key[0] == self.hyphen for key in keys):
            return join_hyphens(words, [not token.whitespace_ for token in doc])
        return words

    def _read(self, key: tuple[int, ...]) -> Word:
        form, pos, lemma = self.strings[key[0]], self.parts.get(key[1], "X"), self.strings[key[2]]
        text = form.lower()
        pos = "ADV" if text in DAYS else pos
        word = Word(text, lemma.lower() if pos in PARTS else text, pos)
        if pos == "PROPN" and form == text and (self.lexicon.is_noun(text) or self.lexicon.is_new(text)):
            word = self._noun(text)
        self.known[key] = word
        return word

    def _noun(self, text: str) -> Word:
        return Word(text, self.lexicon.lemmas.lemma(text, "noun"), "NOUN")
