"""Which visible things a caption names: a set of entities, and how words meet it.

Plurals and irregular forms meet the entry of their dictionary form, unless the set has an entry for the form
itself: where both "man" and "men" are listed, they stay two entities. Entries may have several words; the
longest one that fits is taken, and its words are not counted again ("teddy bear" is no "bear").
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ovseg_core import files
from ovseg_core.text.lemmas import Lemmas
from ovseg_core.text.phrases import Word
from ovseg_core.text.visible import COMPOUNDS, why_left_out

NAMING = ("NOUN", "PROPN")
MINED = "mined"

# The 100 entities of OVSegmentor (Xu et al., CVPR 2023, App. A.1). "TV" and "tv" are one here, case being
# ignored.
_OVSEGMENTOR = """
people, man, men, woman, women, girl, boy, lady, kid, child, children, baby, student, bride, groom, couple,
prince, princess, car, bus, truck, motorcycle, train, bicycle, boat, aeroplane, airplane, motorbike, bike,
cup, bottle, bowl, knife, spoon, glass, fork, chair, table, bench, clock, laptop, light, vase, plant, remote,
microwave, toaster, oven, mouse, keyboard, sofa, monitor, desk, tv, TV, couch, flower, refrigerator, house,
building, hotel, handbag, umbrella, book, backpack, phone, shirt, tie, suitcase, T-shirt, bag, box, sink, bed,
toilet, cat, dog, horse, bird, cow, sheep, elephant, bear, zebra, giraffe, ball, racket, skateboard, skis,
snowboard, surfboard, kite, pizza, cake, apple, banana, sandwich, orange, carrot, donut
"""
NAMED = {"ovsegmentor": tuple(name.strip() for name in _OVSEGMENTOR.split(","))}


class Entities(Protocol):
    """Finds the entities of a caption."""

    def find(self, words: Sequence[Word]) -> list[str]:
        """Entities of one tagged text, in order of appearance; one may stand there twice."""


class NamedEntities:
    """The entities of a list. An entry is written `teddy bear`, or with synonyms `sofa, couch`: the first
    counts.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.names: dict[tuple[str, ...], str] = {}
        for entry in entries:
            synonyms = [" ".join(name.lower().split()) for name in entry.split(",") if name.strip()]
            for name in synonyms:
                self.names.setdefault(tuple(name.split()), synonyms[0])
        self.longest = max(map(len, self.names), default=0)
        self.starts = {words[0] for words in self.names if len(words) > 1}

    def find(self, words: Sequence[Word]) -> list[str]:
        found, after = [], 0
        for place, word in enumerate(words):
            if place >= after and (word.pos in NAMING or word.text in self.starts):
                name, length = self.at(words, place)
                after = place + length
                if name:
                    found.append(name)
        return found

    def at(self, words: Sequence[Word], place: int) -> tuple[str, int]:
        """The entity that starts at a place, or "", and how many words it has."""
        longest = self.longest if words[place].text in self.starts else 1
        for length in range(min(longest, len(words) - place), 0, -1):
            last = words[place + length - 1]
            if last.pos not in NAMING:
                continue
            start = tuple(word.text for word in words[place : place + length - 1])
            for form in (last.text, last.lemma):
                if name := self.names.get((*start, form)):
                    return name, length
        return "", 1


class MinedEntities:
    """Every listed noun that names something visible; the corpus decides which of them are frequent."""

    def __init__(self, lemmas: Lemmas) -> None:
        self.lemmas = lemmas
        self.compounds = NamedEntities(COMPOUNDS)

    def find(self, words: Sequence[Word]) -> list[str]:
        found, after = [], 0
        for place, word in enumerate(words):
            if place < after:
                continue
            name, length = self.compounds.at(words, place) if word.text in self.compounds.starts else ("", 1)
            if not name and word.pos == "NOUN" and self.is_visible(word.lemma):
                name = word.lemma
            after = place + length
            if name:
                found.append(name)
        return found

    def is_visible(self, noun: str) -> bool:
        """Whether a noun is in the word lists, so no misspelling or name, and no rule leaves it out."""
        return self.lemmas.knows(noun, "noun") and not why_left_out(noun)


def load(entities: str, lemmas: Lemmas) -> Entities:
    """What `extract.entities` names: `mined`, a set of NAMED, or a file with an entry a line."""
    if entities == MINED:
        return MinedEntities(lemmas)
    return NamedEntities(NAMED[entities] if entities in NAMED else read_names(entities))


def read_names(path: Path | str) -> list[str]:
    """The lines of a file that are no comment.

    Raises:
        ValueError: when there is none, or the file is no text.
    """
    try:
        lines = files.read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} has to be text in UTF-8, a name a line: {error}") from error
    names = [line.strip() for line in lines if line.strip(" ,;\t") and not line.startswith("#")]
    if not names:
        raise ValueError(f"{path} holds no name; it has to have one a line, as `teddy bear` or `sofa, couch`")
    return names
