"""From the tokens of a tagged spaCy text to words.

Captions write names small and begin with a capital, so what a tagger takes for a name may be none: "a boat on
the lake", "Boat on a lake", "Boat On The Lake At Dusk". Words that are mostly written small are nouns there.
"""

import re
from typing import TYPE_CHECKING

from ovseg_core.text.lexicon import shared
from ovseg_core.text.mends import mended
from ovseg_core.text.phrases import PARTS, Word, join_hyphens

if TYPE_CHECKING:
    from spacy.strings import StringStore
    from spacy.tokens import Doc

MOST_WORDS = 100_000  # that are remembered
# What is written like a title, or in capitals, has this many words with a capital, and no longer word without
# one than those that titles write small ("with").
CAPITALS = re.compile(r"(?:[A-Z][a-zA-Z].*?\b){4}")
SMALL_WORD = re.compile(r"\b[a-z]{5}")


class WordReader:
    """Reads the words of a text, those with hyphens in one piece. Each distinct word is put together once."""

    def __init__(self, strings: "StringStore") -> None:
        from spacy.attrs import LEMMA, ORTH, POS
        from spacy.parts_of_speech import NAMES

        self.strings, self.parts = strings, {number: name for number, name in NAMES.items() if name}
        self.lexicon = shared()
        self.attributes = [ORTH, POS, LEMMA]
        self.known: dict[tuple[int, ...], Word] = {}

    def __call__(self, doc: "Doc") -> list[Word]:
        if len(self.known) > MOST_WORDS:
            self.known.clear()
        known = self.known
        keys = map(tuple, doc.to_array(self.attributes).tolist() if len(doc) else [])
        return self.joined(doc, [known.get(key) or self._read(key) for key in keys])

    def _read(self, key: tuple[int, ...]) -> Word:
        form, lemma = self.strings[key[0]], self.strings[key[2]].lower()
        self.known[key] = self.word(form, self.parts.get(key[1], "X"), lemma)
        return self.known[key]

    def word(self, form: str, pos: str, lemma: str) -> Word:
        """A token by itself, from its form as it is written."""
        text = form.lower()
        if pos == "PROPN" and form == text and (self.lexicon.is_noun(text) or self.lexicon.is_new(text)):
            return self._noun(text, form)
        return Word(text, lemma if pos in PARTS else text, pos, form)

    def joined(self, doc: "Doc", words: list[Word]) -> list[Word]:
        """The words of a text, from its tokens by themselves."""
        if words and words[0].pos == "PROPN" and self.lexicon.is_noun(words[0].text):
            words[0] = self._noun(words[0].text, words[0].form)  # "Boat on the water"
        if "PROPN" in [word.pos for word in words] and _is_title(doc.text):
            words = [self._common(word) for word in words]
        texts = [word.text for word in words]
        words = mended(words, texts, self.lexicon)
        if "-" in texts:
            return join_hyphens(words, [not token.whitespace_ for token in doc])
        return words

    def _common(self, word: Word) -> Word:
        if word.pos != "PROPN" or not self.lexicon.is_noun(word.text):
            return word
        return self._noun(word.text, word.form)

    def _noun(self, text: str, form: str) -> Word:
        return Word(text, self.lexicon.lemmas.lemma(text, "noun"), "NOUN", form)


def _is_title(text: str) -> bool:
    return not SMALL_WORD.search(text) and bool(CAPITALS.search(text))
