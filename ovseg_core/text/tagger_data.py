"""What the tagger is trained on: a treebank, and what is made of it so that the tagger copes with captions.

Captions are lower-case, end without a full stop, and are often no sentence but a noun with what belongs to it
("a young man in a red shirt"). Web text has such nouns as parts of its sentences; that a dog leaps over a
fence it seldom says. So words are put in the place of others of their kind, and a small grammar makes up
captions.
"""

import random
from collections import defaultdict
from itertools import islice

from ovseg_core.text.lexicon import OPEN_TAGS, Lexicon
from ovseg_core.text.treebank import Sentence, Token, bare, fragments, lower, title
from ovseg_core.text.words import COLOURS

SWAPPED = 0.08  # share of nouns, verbs and adjectives in the place of which another listed word is put
SWAPPED_WORDS = 30_000  # the most frequent ones
COLOURED = 0.1  # share of adjectives in the place of which a colour is put: web text hardly has any
CAPITAL = 0.35  # share of captions whose first letter is one
MADE_UP = 6000  # captions per epoch
MADE_UP_TAGS = frozenset(("VBP", "VBZ", "VBG", "VBN", "CD", "JJ", "DT", "NN", "NNS", "RB", "IN", "CC", "."))
OPEN = frozenset(("NOUN", "VERB", "ADJ"))
PALETTE = sorted(COLOURS)
DETERMINERS = ("a", "a", "a", "the", "the", "two", "three", "some", "several", "", "")
PLACES = (
    *(
        "in",
        "on",
        "at",
        "with",
        "near",
        "through",
        "over",
        "under",
        "into",
        "along",
        "behind",
        "beside",
        "by",
    ),
    *("from", "against", "across", "between", "down", "above", "outside", "of", "of"),
    *("next/ADV/RB to", "next/ADV/RB to", "in front/NOUN/NN of", "on top/NOUN/NN of", "and/CCONJ/CC"),
)  # a word without tags is an ADP, IN


class Examples:
    """Epochs of training sentences."""

    def __init__(self, treebank: list[Sentence], lexicon: Lexicon) -> None:
        self.sentences = [sentence for sentence in treebank if sentence]
        self.pieces = [piece for sentence in self.sentences for piece in fragments(sentence)]
        self.listed: dict[str, list[str]] = {tag: [] for tag in OPEN_TAGS}
        for word in islice(lexicon.clusters, SWAPPED_WORDS):
            for tag in lexicon.listed(word):
                self.listed[tag].append(word)
        self.listed |= {"VBD": self.listed["VBN"], "VBP": self.listed["VB"]}
        self.said: dict[str, list[str]] = defaultdict(
            list
        )  # words of the treebank by tag, as often as they occur
        for token in (token for sentence in self.sentences for token in sentence):
            if token.upos in OPEN:
                self.said[token.xpos].append(token.form.lower())
        self.lexicon = lexicon

    def epoch(self, rng: random.Random) -> list[Sentence]:
        """All sentences, half of them and a third of the fragments as captions, and made-up ones."""
        drawn = [sentence if rng.random() < 0.7 else bare(sentence) for sentence in self.sentences]
        drawn += [self.as_caption(bare(sentence), rng) for sentence in self.sentences if rng.random() < 0.5]
        for piece in self.pieces:
            if rng.random() < 0.35:
                style = rng.random()
                plain = title(piece) if style < 0.1 else piece
                drawn.append(plain if style < 0.2 else self.as_caption(piece, rng))
        drawn += [capital(self.made_up(rng), rng) for _ in range(MADE_UP)]
        rng.shuffle(drawn)
        return drawn

    def as_caption(self, sentence: Sentence, rng: random.Random) -> Sentence:
        """In small letters but for the first, with some words put in the place of others."""
        return capital([self._other(self._no_name(token), rng) for token in lower(sentence)], rng)

    def _no_name(self, token: Token) -> Token:
        # "Lake Tahoe" has a name; what is left of it in small letters is a lake.
        if token.upos == "PROPN" and self.lexicon.is_noun(token.form):
            return token._replace(upos="NOUN", xpos="NNS" if token.xpos == "NNPS" else "NN")
        return token

    def _other(self, token: Token, rng: random.Random) -> Token:
        if token.upos == "ADJ" and rng.random() < COLOURED:
            return token._replace(form=rng.choice(PALETTE), xpos="JJ")
        if token.upos in OPEN and token.xpos in self.listed and rng.random() < SWAPPED:
            return token._replace(form=rng.choice(self.listed[token.xpos]))
        return token

    def made_up(self, rng: random.Random) -> Sentence:
        """A caption that makes no sense: somebody, doing something, in places."""
        plural = rng.random() < 0.3
        words = self._thing(rng, plural)
        form = rng.choice(("VBP" if plural else "VBZ", "VBG", "be", "VBN", "")) if rng.random() < 0.9 else ""
        if form == "be":
            words.append(_token("are" if plural else "is", "AUX", "VBP" if plural else "VBZ"))
            form = rng.choice(("VBG", "VBG", "VBN"))
        if form:
            words.append(self._word(rng, "VERB", form))
            if rng.random() < 0.4:
                words += self._thing(rng, rng.random() < 0.3)
        for _ in range(rng.choice((0, 1, 1, 2))):
            words += [_token(*_tagged(word)) for word in rng.choice(PLACES).split()]
            words += self._thing(rng, rng.random() < 0.3)
        if rng.random() < 0.5:
            words.append(_token(".", "PUNCT", "."))
        return words

    def _thing(self, rng: random.Random, plural: bool) -> Sentence:
        words = []
        if article := rng.choice(DETERMINERS):
            number = article in ("two", "three")
            kind = ("NUM", "CD") if number else ("ADJ", "JJ") if article == "several" else ("DET", "DT")
            words.append(_token(article, *kind))
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            colour = rng.random() < 0.4
            words.append(_token(rng.choice(PALETTE), "ADJ", "JJ") if colour else self._word(rng, "ADJ", "JJ"))
        if rng.random() < 0.2:
            words.append(self._word(rng, "NOUN", "NN"))
        return [*words, self._word(rng, "NOUN", "NNS" if plural else "NN")]

    def _word(self, rng: random.Random, upos: str, tag: str) -> Token:
        words = (self.said if rng.random() < 0.6 else self.listed)[tag]
        return _token(rng.choice(words or self.listed[tag]), upos, tag)


def capital(sentence: Sentence, rng: random.Random) -> Sentence:
    """Now and then with a capital at the front: it says nothing of the first word."""
    return title(sentence[:1]) + sentence[1:] if rng.random() < CAPITAL else sentence


def _token(form: str, upos: str, xpos: str) -> Token:
    return Token(form, upos, xpos, -1)


def _tagged(word: str) -> list[str]:
    return word.split("/") if "/" in word else [word, "ADP", "IN"]
