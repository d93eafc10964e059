"""A caption with the words marked that were read from it. It comes from anywhere: none of it is markup."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from ovseg_core.reporting.figures import NOT_XML
from ovseg_core.text.lemmas import lookups

TOKEN = re.compile(r"\w+(?:['’-]\w+)*")
MOST_CHARACTERS = 240
ENDINGS = ("", "s", "es", "d", "ed", "ing", "er", "r", "est", "st")


def mark(caption: str, lemmas: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Cut a caption into (text, kind) pieces; `lemmas` holds per kind (`noun`, ...) the lemmas found in it.

    A token belongs to a lemma when it is the lemma with a regular English ending, or an irregular form of it.
    """
    text = shorten(caption)
    kinds = {form: kind for kind, found in lemmas.items() for lemma in found for form in forms(lemma)}
    pieces: list[tuple[str, str]] = []
    end = 0
    for token in TOKEN.finditer(text):
        if kind := kinds.get(token[0].lower()):
            pieces += [(text[end : token.start()], ""), (token[0], kind)]
            end = token.end()
    return [(piece, kind) for piece, kind in [*pieces, (text[end:], "")] if piece]


def forms(lemma: str) -> set[str]:
    """The lemma with its regular endings and irregular forms: `berry` -> berry, berrys, berries, ..."""
    lemma = lemma.lower()
    found = {lemma + ending for ending in ENDINGS} | irregular().get(lemma, set())
    if lemma.endswith("y"):
        found |= {lemma[:-1] + ending for ending in ("ies", "ied", "ier", "iest")}
    if lemma.endswith("e"):
        found.add(lemma[:-1] + "ing")
    return found


@cache
def irregular() -> dict[str, set[str]]:
    """The irregular forms of each lemma: `man` -> men."""
    found: dict[str, set[str]] = {}
    for exceptions in lookups("lemma_exc").values():
        for form, lemmas in exceptions.items():
            for lemma in lemmas:
                found.setdefault(lemma, set()).add(form)
    return found


def shorten(caption: str, most: int = MOST_CHARACTERS) -> str:
    """One line without control characters, cut where it is very long."""
    # cut first: a caption may be a megabyte
    line = " ".join(NOT_XML.sub(" ", caption[: 4 * most]).split())
    return line if len(line) <= most and len(caption) <= 4 * most else line[: most - 1] + "…"
