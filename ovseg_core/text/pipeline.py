"""The spaCy pipeline, and the parser that turns lines of text into words with it."""

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from ovseg_core.text import entity_sets
from ovseg_core.text.lexicon import shared
from ovseg_core.text.phrases import Parsed, Word, parse
from ovseg_core.text.settings import LEXICON
from ovseg_core.text.tagger import BATCH, FACTORY
from ovseg_core.text.tokens import WordReader

if TYPE_CHECKING:
    from spacy.language import Language

MOST_WORDS = 100_000  # that spaCy may learn before it forgets them, about 0.1 GB


def load(model: str) -> "Language":
    """The spaCy pipeline that `extract.model` names.

    Raises:
        ValueError: when it is not installed here, or sets no parts of speech or lemmas.
    """
    if model == LEXICON:
        return load_lexicon()
    import spacy

    try:
        pipeline = spacy.load(model, exclude=["ner", "parser", "senter"])
    except OSError as error:
        raise ValueError(f"extract.model is {model!r}, which cannot be loaded here: {error}") from error
    probe = pipeline("a dog")
    if not all(token.pos_ and token.lemma_ for token in probe):
        raise ValueError(
            f"extract.model is {model!r}; it has to set parts of speech and lemmas, and its components are: "
            f"{', '.join(pipeline.pipe_names) or 'none'}"
        )
    return pipeline


def load_lexicon() -> "Language":
    """Blank English with the tagger of this project."""
    with _without_torch():
        import spacy

    from ovseg_core.text import tagger

    tagger.register()
    pipeline = spacy.blank("en")
    pipeline.add_pipe(tagger.FACTORY)
    return pipeline


@contextmanager
def _without_torch() -> Iterator[None]:
    """Let spaCy start without torch, which its tagger never calls: 2 s and 0.1 GB instead of 6 s and 0.6."""
    if "torch" in sys.modules or "thinc" in sys.modules:
        yield
        return
    # Makes `import torch` an ImportError, which spaCy's tensor library expects.
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep Python from looking for cycles among results of which none is one: a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class CaptionParser:
    """One pipeline, built once, that turns lines of text into words.

    Args:
        model: as `extract.model`.
        entities: as `extract.entities`.
        forms: whether all words are given as they are written, instead of dictionary forms, each once.
    """

    def __init__(self, model: str, entities: str = entity_sets.MINED, forms: bool = False) -> None:
        self.pipeline = load(model)
        if model == LEXICON:  # it asks spaCy for none of the traits that each new word would be examined for
            vocabulary: Any = self.pipeline.vocab
            vocabulary.lex_attr_getters = {}
        self.words = WordReader(self.pipeline.vocab.strings)
        self.entities, self.forms = entity_sets.load(entities, shared().lemmas), forms
        self.zone = ExitStack()  # spaCy forgets what it met since the zone was entered when it is left
        self.lasting = 0  # words that it keeps

    def parse(self, lines: Iterable[str]) -> dict[str, Parsed]:
        """Each distinct line once."""
        distinct = list(dict.fromkeys(lines))
        with _no_garbage():
            return dict(zip(distinct, map(self._parsed, self._read(distinct)), strict=True))

    def _read(self, texts: list[str]) -> Iterator[list[Word]]:
        if not self.pipeline.has_pipe(FACTORY):
            yield from map(self.words, self.pipeline.pipe(texts))
            return
        tagger: Any = self.pipeline.get_pipe(FACTORY)
        tokenizer: Any = self.pipeline.tokenizer
        docs = tokenizer.pipe(texts)
        while batch := list(islice(docs, BATCH)):
            yield from tagger.words(batch, self.words)

    def _parsed(self, words: list[Word]) -> Parsed:
        return parse(words, self.entities.find(words), self.forms)

    def forget(self) -> None:
        """Let go of the words that spaCy would keep for good, once there are many new ones."""
        strings = self.pipeline.vocab.strings
        if len(strings) > self.lasting + MOST_WORDS:
            self.zone.close()
            self.lasting = len(strings)
            self.zone.enter_context(self.pipeline.memory_zone())
