"""Sentences of a treebank in CoNLL-U, and the parts of them that look like captions."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SHORTEST, LONGEST = 3, 20  # words of a fragment
LEADING = frozenset(("ADP", "CCONJ", "SCONJ", "PUNCT"))  # cut off the front of a fragment


class Token(NamedTuple):
    """One word of a sentence."""

    form: str
    upos: str
    xpos: str
    head: int  # its place in the sentence, -1 for the root


Sentence = list[Token]


def read(path: Path | str) -> Iterator[tuple[str, Sentence]]:
    """(text as it was written, words) of each sentence of a CoNLL-U file."""
    for block in Path(path).read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.splitlines()
        text = next((line[9:] for line in lines if line.startswith("# text = ")), "")
        rows = [line.split("\t") for line in lines if line[:1].isdigit()]
        yield text, _tokens([row for row in rows if row[0].isdigit()])


def _tokens(rows: list[list[str]]) -> Sentence:
    places = {row[0]: place for place, row in enumerate(rows)}
    return [Token(row[1], row[3], row[4], places.get(row[6], -1)) for row in rows]


def fragments(sentence: Sentence) -> list[Sentence]:
    """Each noun with all that hangs on it, where that is an unbroken run of words."""
    children: list[list[int]] = [[] for _ in sentence]
    for place, token in enumerate(sentence):
        if token.head >= 0:
            children[token.head].append(place)
    found = []
    for place, token in enumerate(sentence):
        if token.upos == "NOUN":
            run = sorted(_below(place, children))
            whole = len(run) == run[-1] - run[0] + 1
            cut = bare([sentence[i] for i in run])
            if cut and cut[0].upos in LEADING:
                cut = cut[1:]
            if whole and SHORTEST <= len(cut) <= LONGEST:
                found.append(cut)
    return found


def _below(place: int, children: list[list[int]]) -> set[int]:
    found, waiting = {place}, [place]
    while waiting:
        for child in children[waiting.pop()]:
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def bare(sentence: Sentence) -> Sentence:
    """Without the signs at its end; heads are not looked after."""
    end = len(sentence)
    while end > 1 and sentence[end - 1].upos == "PUNCT":
        end -= 1
    return sentence[:end]


def lower(sentence: Sentence) -> Sentence:
    """All letters small."""
    return [token._replace(form=token.form.lower()) for token in sentence]


def title(sentence: Sentence) -> Sentence:
    """Each Word With A Capital."""
    return [token._replace(form=token.form[:1].upper() + token.form[1:]) for token in sentence]
