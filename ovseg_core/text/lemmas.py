"""Dictionary forms from the lookups that spaCy publishes (WordNet's word lists, rules and exceptions).

Source: the package spacy-lookups-data, tables `lemma_index`, `lemma_exc` and `lemma_rules` of English.
"""

from functools import lru_cache
from typing import Any

from ovseg_core.text.words import PLURAL_ONLY

PARTS = ("noun", "verb", "adj", "adv")
# Listed nouns in -s that are no plural though their stem is listed too: "boss" ("bos"), "physics" ("physic").
SINGULAR = ("ss", "ics", "species", "series", "lens", "corps")


def lookups(name: str) -> Any:
    """One of spaCy's English lookup tables, as the plain dict or list that its package ships."""
    import spacy_lookups_data
    import srsly

    return srsly.read_gzip_json(f"{spacy_lookups_data.en[name]}.gz")


class Lemmas:
    """What a word can be an inflection of, and its dictionary form as noun, verb, adjective or adverb."""

    def __init__(self) -> None:
        index = lookups("lemma_index")
        self.index = {part: frozenset(index[part]) for part in PARTS}
        self.exceptions, self.rules = lookups("lemma_exc"), lookups("lemma_rules")
        self.lemma = lru_cache(1 << 16)(self._lemma)
        self.inflections = lru_cache(1 << 16)(self._inflections)

    def knows(self, word: str, part: str) -> bool:
        """Whether `word` is listed as a dictionary form of that part of speech."""
        return word in self.index[part]

    def _inflections(self, word: str, part: str) -> list[tuple[str, str]]:
        """(listed word, ending taken off) for all that `word` can be an inflected form of, best first.

        The ending is "" for an irregular form. "riding" as a verb gives [("ride", "ing"), ("rid", "ing")].
        """
        irregular = [(form, "") for form in self.exceptions.get(part, {}).get(word, ()) if form != word]
        regular = []
        for ending, new in self.rules[part]:
            stem = word.removesuffix(ending)
            form = stem + new
            if stem != word and len(stem) > 1 and form != word and self.knows(form, part):
                regular.append((form, ending))
        # spaCy's rule lemmatizer takes the last hit and makes "riding" into "rid".
        return irregular + sorted(regular, key=lambda pair: not takes_ending(*pair))

    def _lemma(self, word: str, part: str) -> str:
        if part == "noun" and (word in PLURAL_ONLY or (self.knows(word, part) and word.endswith(SINGULAR))):
            return word
        irregular = [form for form in self.exceptions.get(part, {}).get(word, ()) if form != word]
        if part in ("adj", "adv") and not irregular and self.knows(word, part):
            return word  # "utter": listed, so no comparative of something else
        if forms := self.inflections(word, part):
            return forms[0][0]
        return word if self.knows(word, part) else regular(word, part)


def takes_ending(form: str, ending: str) -> bool:
    """Whether a form is likely before `ending`, where several are possible.

    "rid" doubles its consonant before -ing and -ed, so "riding" cannot come from it; "swinging" is rather of
    "swing" than of "swinge", and "crosses" are rather several of a "cross" than of a "crosse".
    """
    if ending in ("ing", "ed"):
        return not _short(form) and not form.endswith("nge")
    return not form.endswith("sse")


def regular(word: str, part: str) -> str:
    """The dictionary form of a word in no list, by spelling alone: "longboarders" -> "longboarder"."""
    if part == "noun" and word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        return word[:-2] if word.endswith(("sses", "ches", "shes", "xes", "zzes")) else word[:-1]
    if part == "verb":
        for ending in ("ing", "ed"):
            stem = word.removesuffix(ending)
            if stem != word and len(stem) > 2:
                return _base(stem)
        if word.endswith("s") and not word.endswith("ss"):
            return word[:-2] if word.endswith(("sses", "ches", "shes", "xes", "zzes")) else word[:-1]
    return word


def _base(stem: str) -> str:
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeiouls":
        return stem[:-1]  # "vlogg" -> "vlog"
    return stem + "e" if _short(stem) or stem.endswith(("c", "v", "z", "u", "at")) else stem


def _short(word: str) -> bool:
    """One vowel, and one consonant after it: the shape that doubles its last letter ("rid", "stop")."""
    vowels = [i for i, letter in enumerate(word) if letter in "aeiou" or (letter == "y" and i)]
    return len(word) > 2 and vowels == [len(word) - 2] and word[-1] not in "wxy"
