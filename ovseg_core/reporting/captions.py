"""A caption with the words marked that were read from it. It comes from anywhere: none of it is markup."""

import re
from collections.abc import Mapping, Sequence

from ovseg_core.reporting.figures import NOT_XML

TOKEN = re.compile(r"\w+(?:['’-]\w+)*")
MOST_CHARACTERS = 240
ENDINGS = ("", "s", "es", "d", "ed", "ing", "er", "r", "est", "st")


def mark(caption: str, lemmas: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Cut a caption into (text, kind) pieces; `lemmas` holds per kind (`noun`, ...) the lemmas found in it.

    A token belongs to a lemma when it is the lemma with a regular English ending. Irregular forms ("wolves")
    stay unmarked; the lists of words beside the caption hold them all the same.
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
    """The lemma with its regular endings: `berry` -> berry, berrys, berries, ..."""
    lemma = lemma.lower()
    found = {lemma + ending for ending in ENDINGS}
    if lemma.endswith("y"):
        found |= {lemma[:-1] + ending for ending in ("ies", "ied", "ier", "iest")}
    if lemma.endswith("e"):
        found.add(lemma[:-1] + "ing")
    return found


def shorten(caption: str, most: int = MOST_CHARACTERS) -> str:
    """One line without control characters, cut where it is very long."""
    # cut first: a caption may be a megabyte
    line = " ".join(NOT_XML.sub(" ", caption[: 4 * most]).split())
    return line if len(line) <= most and len(caption) <= 4 * most else line[: most - 1] + "…"
