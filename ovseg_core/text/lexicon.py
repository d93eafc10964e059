"""What part of speech a word may have, and how likely each is before its neighbours are looked at.

WordNet's lists say what a word may be. How likely it is comes from spaCy's table of Brown clusters (groups of
words that keep the same company): in the cluster of "park", nearly all words that can be one thing only are
nouns.
"""

import math
import re
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import islice

from ovseg_core.text.lemmas import Lemmas, lookups
from ovseg_core.text.words import CLOSED, MOSTLY

OPEN_TAGS = ("NN", "NNS", "VB", "VBZ", "VBG", "VBN", "JJ", "RB")
CLUSTERED_WORDS = 100_000  # the table is ordered by frequency; its tail is names and misspellings
MAX_WORD = 40  # letters; what is longer is no word
LATIN_END = "\u024f"
SURE = 0.85  # share of the tag that a word mostly has
SMOOTHING = 4.0  # unambiguous words that every cluster is lent, spread as in the whole lexicon
ADDRESS = re.compile(r"://|^www\.|@|\.(com|org|net|jpe?g|png)\b")
NUMBER = re.compile(r"[\d.,:/x-]*\d[\d.,:/x-]*(st|nd|rd|th|s|k|am|pm)?")
# A word in no list: the first ending that fits decides.
SUFFIXES = (
    ("ing", {"VBG": 0.7, "NN": 0.3}),
    ("ed", {"VBN": 0.6, "JJ": 0.4}),
    ("ly", {"RB": 0.8, "JJ": 0.2}),
    (
        ("ous", "ful", "less", "able", "ible", "ish", "ic", "ive", "al", "ese", "-like"),
        {"JJ": 0.8, "NN": 0.2},
    ),
    (("ss", "us", "is", "ness", "ment", "tion"), {"NN": 1.0}),
    ("s", {"NNS": 0.85, "VBZ": 0.15}),
    ("", {"NN": 0.8, "JJ": 0.12, "VB": 0.08}),
)


class Lexicon:
    """Tags of lower-case words with their log-probabilities."""

    def __init__(self) -> None:
        self.lemmas = Lemmas()
        self.clusters: dict[str, int] = {}
        self.counts: dict[int, Counter[str]] = defaultdict(Counter)
        self._count_clusters()
        self.tags = lru_cache(1 << 16)(self._tags)

    def _count_clusters(self) -> None:
        words = islice(lookups("lexeme_cluster").items(), CLUSTERED_WORDS)
        self.clusters = {word: cluster for word, cluster in words if word.isalpha() and word.islower()}
        for word, cluster in self.clusters.items():
            if len(tags := self.listed(word)) == 1:
                self.counts[cluster][tags[0]] += 1
        total = sum(self.counts.values(), Counter())
        size = sum(total.values())
        self.share = {tag: total[tag] / size for tag in OPEN_TAGS}

    def listed(self, word: str) -> list[str]:
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

    def _tags(self, word: str) -> tuple[tuple[str, float], ...]:
        """(tag, log-probability) for everything that a lower-case word may be."""
        if word in CLOSED:
            return tuple((tag, 0.0) for tag in CLOSED[word])
        if NUMBER.fullmatch(word):
            return (("CD", 0.0),)
        if listed := self.listed(word):
            return tuple(self._prior(word, listed))
        if not any(letter.isalpha() for letter in word):
            return (("PU", 0.0),)
        if ADDRESS.search(word) or len(word) > MAX_WORD or max(word) > LATIN_END:
            return (("NNP", 0.0),)  # a name at best: never taken for a noun
        if "-" in word.strip("-"):
            return self._tags_of_compound(word)
        guess = next(guess for ending, guess in SUFFIXES if word.endswith(ending))
        return tuple((tag, math.log(share)) for tag, share in guess.items())

    def _prior(self, word: str, listed: list[str]) -> list[tuple[str, float]]:
        if word in MOSTLY:
            others = math.log((1 - SURE) / len(listed))
            return [(tag, math.log(SURE) if tag == MOSTLY[word] else others) for tag in listed]
        counts = self.counts.get(self.clusters.get(word, -1), Counter())
        weights = [counts[tag] + SMOOTHING * self.share[tag] for tag in listed]
        return [(tag, math.log(w / sum(weights))) for tag, w in zip(listed, weights, strict=True)]

    def _tags_of_compound(self, word: str) -> tuple[tuple[str, float], ...]:
        """Of a word with hyphens: "long-haired" describes, "half-pipe" is named by its last part."""
        last = word.rpartition("-")[2]
        tags = dict(self.tags(last))
        if not tags.keys().isdisjoint({"JJ", "VBN", "CD"}):
            return (("JJ", 0.0),)
        return tuple((tag, score) for tag, score in tags.items() if tag in OPEN_TAGS) or (("NN", 0.0),)
