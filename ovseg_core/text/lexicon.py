"""What lists say of a word before its neighbours are looked at.

WordNet's lists say what a word may be. Brown clusters group words that keep the same company: a word that the
treebank lacks is tagged as the words of its cluster are. How a word is mostly written says whether it is a
name.
"""

import gc
import re
from functools import cache, lru_cache

from ovseg_core.text import word_tables
from ovseg_core.text.lemmas import Lemmas

OPEN_TAGS = ("NN", "NNS", "VB", "VBZ", "VBG", "VBN", "JJ", "RB")
MAX_WORD = 40  # letters; what is longer is no word
LATIN_END = "\u024f"
ADDRESS = re.compile(r"://|^@\w|^www\.|\w@\w|\.(com|org|net|jpe?g|png)\b")
SIZE = re.compile(r"\d[\d.\"']*([x×]\d[\d.\"']*)+")  # 24x36
APART = {"NUM": re.compile(r"[\d.,:/-]*\d[\d.,:/-]*"), "SYM": re.compile(r"[$#%&*+=<>|~^°€£©®™§]+")}


class Lexicon:
    """Lists of lower-case words."""

    def __init__(self) -> None:
        self.lemmas = Lemmas()
        self.listed = lru_cache(1 << 16)(self._listed)
        self.clusters, self.casing = word_tables.read()

    def _listed(self, word: str) -> list[str]:
        """The open-class tags that the word lists allow for a lower-case word, in the order of OPEN_TAGS."""
        knows, inflections = self.lemmas.knows, self.lemmas.inflections
        found = {tag for part, tag in (("noun", "NN"), ("verb", "VB"), ("adj", "JJ")) if knows(word, part)}
        if inflections(word, "noun"):
            found.add("NNS")
            if word.endswith("s") and self.lemmas.lemma(word, "noun") != word:
                found.discard("NN")  # "colors" is listed for a sense of its own, and a plural all the same
        if inflections(word, "verb"):
            found.add("VBG" if word.endswith("ing") else "VBZ" if word.endswith("s") else "VBN")
        if "JJ" not in found and not knows(word, "noun") and inflections(word, "adj"):
            found.add("JJ")
        if knows(word, "adv"):
            found.add("RB")
        return [tag for tag in OPEN_TAGS if tag in found]

    def is_noun(self, word: str) -> bool:
        """Whether a lower-case word is listed as a noun or plural, and at least as often small as large."""
        return self.casing.get(word, -1) >= 0 and not {"NN", "NNS"}.isdisjoint(self.listed(word))

    def is_new(self, word: str) -> bool:
        """Whether a word that is written small is in no list at all."""
        return word.islower() and word.isalpha() and word not in self.casing


@cache
def shared() -> Lexicon:
    """The lexicon of this process: it takes a while to read."""
    lexicon = Lexicon()
    gc.collect()
    gc.freeze()  # what stays for good, the garbage collector need not look through ever again
    return lexicon


def beyond_words(word: str) -> str | None:
    """The universal part of speech of what is no English word whatever stands beside it, else None.

    Addresses, other scripts and endless strings are X: names at best, and never taken for nouns.
    """
    if len(word) > MAX_WORD or max(word) > LATIN_END or not any(letter.isalpha() for letter in word):
        for part, pattern in APART.items():
            if pattern.fullmatch(word):
                return part
        signs = not any(letter.isalnum() for letter in word)
        return "PUNCT" if signs and len(word) <= MAX_WORD and max(word) < "\u2100" else "X"
    if SIZE.fullmatch(word):
        return "NUM"
    return "X" if ADDRESS.search(word.lower()) else None
