"""Nouns, adjectives, verbs and noun phrases of one tagged text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from ovseg_core.text.words import COLOURS

PARTS = {"NOUN": "nouns", "ADJ": "adjectives", "VERB": "verbs"}
JOINS = frozenset(("and", ",", "&"))  # between adjectives of one noun: "black and white dog"
# Nouns in Universal Dependencies, but they name nothing, and no phrase goes on over them.
DAYS = frozenset(("today", "tomorrow", "tonight", "yesterday"))


class Word(NamedTuple):
    """One token, lower-case, or several that hyphens join."""

    text: str
    lemma: str
    pos: str  # universal part of speech, as spaCy's `pos_`
    form: str = ""  # as it is written
    parts: tuple["Word", ...] = ()  # of a compound: the tokens


@dataclass
class Parsed:
    """What one text holds, in order of appearance: lemmas, each once, or forms, each time."""

    nouns: list[str] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    noun_phrases: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)

    @classmethod
    def union(cls, parts: Sequence["Parsed"], forms: bool = False) -> "Parsed":
        """The lines of one caption together; `forms` as in `parse`."""
        if len(parts) == 1:
            return parts[0]
        columns = {
            name: [item for part in parts for item in getattr(part, name)]
            for name in cls.__dataclass_fields__
        }
        repeats = PARTS.values() if forms else ()
        return cls(**{name: x if name in repeats else list(dict.fromkeys(x)) for name, x in columns.items()})


def parse(words: Sequence[Word], entities: Iterable[str] = (), forms: bool = False) -> Parsed:
    """Sort the words of one text into its columns.

    As lemmas, each once; or, with `forms`, all of them as they are written: as often as they occur, those
    with hyphens in their parts, as a treebank counts them. Phrases are whole either way.
    """
    found = _forms(words) if forms else _lemmas(words)
    if forms:
        words = [word._replace(lemma=word.text) for word in words]
    phrases = dict.fromkeys(phrase for chunk in chunks(words) for phrase in phrases_of(chunk))
    return Parsed(*[*found, list(phrases), list(dict.fromkeys(entities))])


def _lemmas(words: Sequence[Word]) -> list[list[str]]:
    # Keys of a dictionary: each once, in the order in which they came.
    found: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    for word in words:
        if word.pos in found and is_word(word.lemma) and word.text not in DAYS:
            found[word.pos][word.lemma] = None
    return [list(lemmas) for lemmas in found.values()]


def _forms(words: Sequence[Word]) -> list[list[str]]:
    tokens = [token for word in words for token in word.parts or (word,)]
    return [[token.form for token in tokens if token.pos == part and is_word(token.text)] for part in PARTS]


def join_hyphens(words: Sequence[Word], is_glued: Sequence[bool]) -> list[Word]:
    """Words with hyphens, which spaCy and treebanks take apart: "long", "-", "haired" become one adjective.

    Args:
        is_glued: per word whether no space follows it. Where the first part is one letter, spaces do not
        matter:
            some captions are published as "t - shirt".
    """
    joined: list[Word] = []
    place = 0
    while place < len(words):
        end = place + 1
        while (
            end + 1 < len(words)
            and words[end].text == "-"
            and ((is_glued[end - 1] and is_glued[end]) or (len(words[place].text) == 1 and end == place + 1))
            and words[end - 1].text[-1:].isalnum()
            and words[end + 1].text[:1].isalpha()
        ):
            end += 2
        joined.append(_compound(words[place:end], words[end : end + 1]) if end > place + 1 else words[place])
        place = end
    return joined


def _compound(parts: Sequence[Word], after: Sequence[Word]) -> Word:
    """What a compound is: as its last part, but "long-haired" and "two-story house" describe."""
    first, last = parts[0], parts[-1]
    describes = bool(after) and after[0].pos in ("NOUN", "ADJ")
    pos = last.pos
    if pos == "VERB" or (pos == "NOUN" and first.pos in ("NUM", "ADJ") and describes):
        pos = "ADJ"  # "black-and-white photo"
    elif pos in ("ADP", "ADV", "PART"):
        pos = "NOUN"  # "close-up"
    start = "".join(word.text for word in parts[:-1])
    lemma = start + (last.lemma if pos == "NOUN" else last.text)
    return Word(start + last.text, lemma, pos, parts=tuple(parts))


@lru_cache(1 << 16)
def is_word(lemma: str) -> bool:
    """Two letters or more: drops what a tagger makes of stray characters."""
    return len(lemma) > 1 and lemma[0].isalnum() and any(letter.isalpha() for letter in lemma)


def chunks(words: Sequence[Word]) -> list[list[Word]]:
    """Runs of adjectives and then nouns; adjectives may be joined ("a black and white dog")."""
    found: list[list[Word]] = []
    current: list[Word] = []
    for word in words:
        if word.pos == "NOUN" and is_word(word.lemma) and word.text not in DAYS:
            current.append(word)
            continue
        if current and current[-1].pos == "NOUN":
            found.append(current)
            current = []
        if word.pos == "ADJ" or (current and word.text in JOINS and current[-1].pos == "ADJ"):
            current.append(word)
        elif current:
            current = []
    return [*found, current] if current and current[-1].pos == "NOUN" else found


def phrases_of(chunk: list[Word]) -> list[str]:
    """The whole phrase with its last noun as lemma, and what it names with each of its colours alone.

    "big red fire trucks" gives "big red fire truck" and "red truck"; "black and white dog" gives itself,
    "black dog" and "white dog".
    """
    head = chunk[-1].lemma
    if len(chunk) == 1:
        return [head]
    whole = " ".join([*(word.text for word in chunk[:-1]), head])
    colours = [word.text for word in chunk[:-1] if word.pos == "ADJ" and word.text in COLOURS]
    return [whole, *(f"{colour} {head}" for colour in colours)]
