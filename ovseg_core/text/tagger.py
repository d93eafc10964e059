"""Part-of-speech tagging by a lexicon and a table of which part follows which, as a spaCy component."""

from typing import TYPE_CHECKING

from ovseg_core.text.lexicon import OPEN_TAGS, Lexicon
from ovseg_core.text.steps import best_path
from ovseg_core.text.words import CLOSED

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

UPOS = {
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "JJ": "ADJ", "RB": "ADV",
    "VB": "VERB", "VBZ": "VERB", "VBG": "VERB", "VBN": "VERB", "BE": "AUX", "HV": "AUX", "MD": "AUX",
    "DT": "DET", "CD": "NUM", "PRP": "PRON", "TO": "PART", "POS": "PART", "IN": "ADP", "CC": "CCONJ",
    "UH": "INTJ", "PU": "PUNCT",
}  # fmt: skip

FACTORY = "ovseg_lexicon"  # spaCy's name of the component
OPEN = frozenset(OPEN_TAGS)
STARTERS = frozenset('.!?:"\n')  # after these a capital says nothing
NOT_SO = -2.0  # score of the less likely reading of a capital letter
LEMMA_PART = {
    "NN": "noun", "NNS": "noun", "JJ": "adj", "RB": "adv",
    "VB": "verb", "VBZ": "verb", "VBG": "verb", "VBN": "verb",
}  # fmt: skip


def options(lexicon: Lexicon, words: list[str]) -> list[tuple[tuple[str, float], ...]]:
    """(tag, score) pairs for each word of one text, where a capital letter may make a name of it."""
    # "Red Fish on White": where every word of an open class has a capital, none is a name by that.
    is_title = all(word[0].isupper() for word in words if word[0].isalpha() and word.lower() not in CLOSED)
    found = []
    for i, word in enumerate(words):
        tags = lexicon.tags(word.lower())
        if word[0].isupper() and not is_title and tags[0][0] in OPEN:
            starts = i == 0 or words[i - 1] in STARTERS
            listed = lexicon.listed(word.lower())
            is_adjective = max(tags, key=lambda pair: pair[1])[0] == "JJ"  # "Chinese" has one in any case
            is_usual = listed and (starts or is_adjective)
            name, other = (NOT_SO, 0.0) if is_usual else (0.0, NOT_SO)
            tags = (("NNP", name), *((tag, score + other) for tag, score in tags if tag != "NNP"))
        found.append(tags)
    return found


class LexiconTagger:
    """The spaCy component: sets `pos`, `tag` and `lemma` of every token."""

    def __init__(self) -> None:
        self.lexicon = Lexicon()

    def __call__(self, doc: "Doc") -> "Doc":
        tokens = list(doc)
        words = [token.text for token in tokens]
        for token, word, tag in zip(tokens, words, best_path(options(self.lexicon, words)), strict=True):
            token.tag_ = tag
            token.pos_ = UPOS[tag]
            part = LEMMA_PART.get(tag)
            token.lemma_ = self.lexicon.lemmas.lemma(word.lower(), part) if part else word.lower()
        return doc


def register() -> None:
    """Make the component known to spaCy under the name FACTORY; a second call does nothing."""
    from spacy.language import Language

    if not Language.has_factory(FACTORY):
        Language.factory(FACTORY, assigns=["token.pos", "token.tag", "token.lemma"], func=_make)


def _make(nlp: "Language", name: str) -> LexiconTagger:
    return LexiconTagger()
