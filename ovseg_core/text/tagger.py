"""Part-of-speech tagging as a spaCy component: word lists and a small trained network, a batch at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ovseg_core.text.features import describe
from ovseg_core.text.lexicon import beyond_words, shared
from ovseg_core.text.network import UPOS, Network
from ovseg_core.text.phrases import Word
from ovseg_core.text.tokens import WordReader

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.strings import StringStore
    from spacy.tokens import Doc

FACTORY = "ovseg_tagger"  # spaCy's name of the component
BATCH = 256  # texts that are tagged together
LEMMA_PART = {"NOUN": "noun", "ADJ": "adj", "ADV": "adv", "VERB": "verb", "AUX": "verb"}


class Tagger:
    """The spaCy component: sets `pos` and `lemma` of every token."""

    def __init__(self) -> None:
        from spacy import symbols
        from spacy.attrs import LEMMA, ORTH, POS

        self.lexicon, self.network = shared(), Network.read()
        self.orth, self.pos_and_lemma = ORTH, [POS, LEMMA]
        self.symbols = np.array([getattr(symbols, part) for part in UPOS], np.uint64)
        self.forget()

    def forget(self) -> None:
        """Let go of all words that were met."""
        self.network.clear()
        self.numbers: dict[int, int] = {}  # spaCy's hash of a word as it is written -> number in the network
        self.forms = [""]  # by that number
        self.read: dict[int, Word] = {}  # by number and part of speech
        self.fixed = np.full(1024, -1)  # by that number: the only part of speech it can have, or -1

    def __call__(self, doc: "Doc") -> "Doc":
        self._tag([doc])
        return doc

    def pipe(self, stream: Iterable["Doc"], batch_size: int = BATCH) -> Iterator["Doc"]:
        """Tag a stream of texts, `batch_size` at a time: several times as fast as one by one."""
        texts = iter(stream)
        while docs := list(islice(texts, batch_size)):
            self._tag(docs)
            yield from docs

    def words(self, docs: list["Doc"], reader: WordReader) -> Iterator[list[Word]]:
        """What `reader` makes of the texts once they are tagged; the tags are not written into them."""
        docs_with_words = [doc for doc in docs if len(doc)]
        numbers, tags = self._tags(docs_with_words)
        codes = iter((numbers * len(UPOS) + tags).tolist())
        for doc in docs:
            words = [self.read.get(code) or self._read(code, reader) for code in islice(codes, len(doc))]
            yield reader.joined(doc, words)

    def _read(self, code: int, reader: WordReader) -> Word:
        number, tag = divmod(code, len(UPOS))
        form, part = self.forms[number], UPOS[tag]
        self.read[code] = reader.word(form, part, self.lemma(form.lower(), part))
        return self.read[code]

    def _tag(self, docs: list["Doc"]) -> None:
        docs = [doc for doc in docs if len(doc)]
        numbers, tags = self._tags(docs)
        if not len(numbers):
            return
        lemmas = self._lemmas(numbers, tags, docs[0].vocab.strings)
        found = np.stack([self.symbols[tags], lemmas], axis=1)
        start = 0
        for doc in docs:
            doc.from_array(self.pos_and_lemma, found[start : start + len(doc)])  # type: ignore[arg-type]
            start += len(doc)

    def _tags(self, docs: list["Doc"]) -> tuple[np.ndarray, np.ndarray]:
        """(N,) numbers and (N,) indices into UPOS of the N words of texts that have one or more."""
        if self.network.is_full:
            self.forget()
        if not docs:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        hashes = np.concatenate([doc.to_array(self.orth) for doc in docs]).tolist()
        self._learn(set(hashes).difference(self.numbers), docs[0].vocab.strings)
        numbers = np.array([self.numbers[word] for word in hashes], np.int64)
        tags = self.network.tag(numbers, [len(doc) for doc in docs])
        fixed = self.fixed[numbers]
        return numbers, np.where(fixed >= 0, fixed, tags)

    def _learn(self, hashes: set[int], strings: "StringStore") -> None:
        ordered = sorted(hashes)
        words = [strings[word] for word in ordered]
        features = [self.network.index.of(describe(word, self.lexicon)) for word in words]
        self.numbers.update(zip(ordered, self.network.learn(features), strict=True))
        self.forms += words
        while len(self.fixed) < len(self.forms):
            self.fixed = np.concatenate([self.fixed, np.full_like(self.fixed, -1)])
        for word, number in zip(words, range(len(self.forms) - len(words), len(self.forms)), strict=True):
            if part := beyond_words(word):
                self.fixed[number] = UPOS.index(part)

    def _lemmas(self, numbers: np.ndarray, tags: np.ndarray, strings: "StringStore") -> np.ndarray:
        """(N,) uint64: spaCy's hashes of the lemmas of N words."""
        pairs, places = np.unique(numbers * len(UPOS) + tags, return_inverse=True)
        lemmas = [
            self.lemma(self.forms[pair // len(UPOS)].lower(), UPOS[pair % len(UPOS)])
            for pair in pairs.tolist()
        ]
        return np.array([strings.add(lemma) for lemma in lemmas], np.uint64)[places]

    def lemma(self, word: str, part: str) -> str:
        """Dictionary form of a lower-case word; what is inflected in no list stays as it is."""
        if part not in LEMMA_PART or not word[-1].isalpha() or not word[0].isalnum():
            return word
        return self.lexicon.lemmas.lemma(word, LEMMA_PART[part])


def register() -> None:
    """Make the component known to spaCy under the name FACTORY; a second call does nothing."""
    from spacy.language import Language

    if not Language.has_factory(FACTORY):
        Language.factory(FACTORY, assigns=["token.pos", "token.lemma"], func=_make)


def _make(nlp: "Language", name: str) -> Tagger:
    return Tagger()
