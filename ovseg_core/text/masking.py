"""Where a caption says given words, and the caption with these masked (OVSegmentor, Sec. 3.1.2)."""

import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from ovseg_core.text.entity_sets import NamedEntities
from ovseg_core.text.lemmas import Lemmas
from ovseg_core.text.phrases import Word

WORD = re.compile(r"\w+(?:['-]\w+)*")


class Said(NamedTuple):
    """One place of a caption that says a word or phrase."""

    start: int  # characters
    end: int
    name: str  # as it was asked for: a lemma


@cache
def lemmas() -> Lemmas:
    """The lookups, read once in a process."""
    return Lemmas()


@lru_cache(1 << 16)
def find(caption: str, names: tuple[str, ...], verbs: bool = False) -> tuple[Said, ...]:
    """Where the caption says any of the names, in order; plurals count, and the longest name that fits.

    The names are those that the extraction found in this caption, so a word is not tagged again: "book a
    hotel" is masked twice where the caption also names a book. `verbs`: some names are verbs, which count in
    any form ("running" says "run").
    """
    places = list(WORD.finditer(caption))
    texts = [place.group().lower() for place in places]
    parts = ("noun", "verb") if verbs else ("noun",)
    readings = [[Word(text, lemmas().lemma(text, part), "NOUN") for text in texts] for part in parts]
    known, said, after = NamedEntities(names), [], 0
    for place, word in enumerate(places):
        if place < after:
            continue
        found = [known.at(words, place) for words in readings]
        name, length = next((one for one in found if one[0]), ("", 1))
        after = place + length
        if name:
            said.append(Said(word.start(), places[place + length - 1].end(), name))
    return tuple(said)


def named(caption: str, names: Sequence[str], verbs: bool = False) -> list[str]:
    """Those of the names that the caption says, each once, in order of appearance."""
    return list(dict.fromkeys(place.name for place in find(caption, tuple(names), verbs)))


def masked(caption: str, names: Sequence[str], mask: str, only: Collection[str] | None = None) -> str:
    """The caption with `mask` in place of every mention of a name (of those in `only`, where it is given)."""
    parts, after = [], 0
    for start, end, name in find(caption, tuple(names)):
        if only is None or name in only:
            parts += [caption[after:start], mask]
            after = end
    return "".join([*parts, caption[after:]])
