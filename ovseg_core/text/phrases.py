"""Nouns, adjectives, verbs and noun phrases of one tagged text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ovseg_core.text.words import COLOURS

PARTS = {"NOUN": "nouns", "ADJ": "adjectives", "VERB": "verbs"}
JOINS = frozenset(("and", ",", "&"))  # between adjectives of one noun: "black and white dog"


class Word(NamedTuple):
    """One token, lower-case."""

    text: str
    lemma: str
    pos: str  # universal part of speech, as spaCy's `pos_`


@dataclass
class Parsed:
    """What one text holds, lemmas in order of appearance, each once."""

    nouns: list[str] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    noun_phrases: list[str] = field(default_factory=list)

    @classmethod
    def union(cls, parts: Sequence["Parsed"]) -> "Parsed":
        """The lines of one caption together."""
        if len(parts) == 1:
            return parts[0]
        names = cls.__dataclass_fields__
        return cls(**{name: _once(item for part in parts for item in getattr(part, name)) for name in names})


def parse(words: Sequence[Word]) -> Parsed:
    """Sort the words of one text into its columns."""
    found: dict[str, list[str]] = {"nouns": [], "adjectives": [], "verbs": []}
    for word in words:
        if word.pos in PARTS and is_word(word.lemma):
            found[PARTS[word.pos]].append(word.lemma)
    phrases = [phrase for chunk in chunks(words) for phrase in phrases_of(chunk)]
    return Parsed(**{name: _once(items) for name, items in found.items()}, noun_phrases=_once(phrases))


def is_word(lemma: str) -> bool:
    """Two letters or more: drops what a tagger makes of stray characters."""
    return len(lemma) > 1 and lemma[0].isalnum() and any(letter.isalpha() for letter in lemma)


def chunks(words: Sequence[Word]) -> list[list[Word]]:
    """Runs of adjectives and then nouns; adjectives may be joined ("a black and white dog")."""
    found, current = [], []
    for word in words:
        if word.pos == "NOUN" and is_word(word.lemma):
            current.append(word)
            continue
        if current and current[-1].pos == "NOUN":
            found.append(current)
            current = []
        joins = word.text in JOINS and current and current[-1].pos == "ADJ"
        current = [*current, word] if word.pos == "ADJ" or joins else []
    return [*found, current] if current and current[-1].pos == "NOUN" else found


def phrases_of(chunk: list[Word]) -> list[str]:
    """The whole phrase with its last noun as lemma, and what it names with each of its colours alone.

    "big red fire trucks" gives "big red fire truck" and "red truck"; "black and white dog" gives itself,
    "black dog" and "white dog".
    """
    head = chunk[-1].lemma
    whole = " ".join([*(word.text for word in chunk[:-1]), head])
    colours = [word.text for word in chunk[:-1] if word.pos == "ADJ" and word.text in COLOURS]
    return [whole, *(f"{colour} {head}" for colour in colours)]


def _once(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
