"""What others do to captions, to be timed beside our parser in the same run.

Needs `pip install nltk`, none of its data.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ovseg_core.text.entity_sets import NAMED

BE_HAVE_DO = frozenset(
    (
        *("am", "is", "are", "was", "were", "be", "been", "being", "'s", "'re", "'m"),
        *(
            "have",
            "has",
            "had",
            "having",
            "'ve",
            "do",
            "does",
            "did",
            "can",
            "could",
            "ca",
            "will",
            "'ll",
            "wo",
        ),
    )
)


def nltk_tokenize() -> Callable[[str], list[str]]:
    """NLTK's `word_tokenize` with `preserve_line=True`: a caption is one line, and no model is needed."""
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer().tokenize


def nltk_tagger(folder: Path) -> Callable[[str], list[tuple[str, str]]]:
    """Tokenise and tag as `nltk.pos_tag(nltk.word_tokenize(text))`, from the JSON of its perceptron."""
    from nltk.tag.perceptron import PerceptronTagger

    tokenize = nltk_tokenize()
    tagger = PerceptronTagger(load=False)
    parts = {part: json.loads(next(folder.glob(f"*{part}.json")).read_text()) for part in PARTS}
    tagger.model.weights, tagger.tagdict = parts["weights"], parts["tagdict"]
    tagger.classes = tagger.model.classes = set(parts["classes"])
    return lambda text: tagger.tag(tokenize(text))


PARTS = ("weights", "tagdict", "classes")


def universal(word: str, tag: str) -> str:
    """Penn tag to universal part of speech, in the peer's favour: be, have, do and modals are no verbs."""
    if tag in ("NN", "NNS"):
        return "NOUN"
    if tag.startswith("VB"):
        return "AUX" if word.lower() in BE_HAVE_DO else "VERB"
    return "ADJ" if tag.startswith("JJ") else "X"


def entity_filter(texts: list[str]) -> pd.DataFrame:
    """OVSegmentor's filter as its authors describe it: tokenise, test each word against the set, row by row.

    Their published script also appends to a data frame row by row, which takes quadratic time; here the rows
    are collected in a list, which is faster.
    """
    tokenize, entities = nltk_tokenize(), set(NAMED["ovsegmentor"])
    frame = pd.DataFrame({"image_id": range(len(texts)), "caption": texts})
    kept: list[Any] = []
    for _, row in frame.iterrows():
        words = tokenize(row["caption"])
        if found := {word for word in words if word in entities}:
            kept.append((row["image_id"], row["caption"], ",".join(sorted(found))))
    return pd.DataFrame(kept, columns=["image_id", "caption", "entity"])
