"""Speed of the text pipeline beside its peers, and its accuracy on a treebank and on captions, in one run.

Usage: `python -m benchmarks.text [--captions FILE] [--treebank FILE.conllu] [--nltk FOLDER] [--tagged FILE]
[--model lexicon]`.

Captions are those of a file as `ovseg parse` reads it (`cc3m.tsv`, say), or else captions of the toy
world. The treebank is in Universal Dependencies' format (English EWT dev, say): its raw sentences are
tokenised by each pipeline, and words are compared as multisets of forms per sentence. `--nltk` names
the folder with the JSON of NLTK's averaged perceptron tagger. Seconds are CPU time of one process,
captions distinct, best of three rounds. The ratio is printed for the first round of our parser too, which has
met no word before: a file of ten thousand captions is read at that speed, one of a million at the other.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `ovseg parse`; read when NumPy is loaded

import numpy as np

from benchmarks import text_peers
from ovseg_core.text import caption_files
from ovseg_core.text.captions import lines
from ovseg_core.text.phrases import PARTS as COLUMNS
from ovseg_core.text.phrases import Parsed
from ovseg_core.text.pipeline import CaptionParser
from ovseg_core.text.treebank import read
from ovseg_core.web import captions as toy
from ovseg_core.web.world import COLOURS, STUFF, THINGS

BATCH = 512
ROUNDS = 3
TAGGED_BY_PEER = 4000  # captions: NLTK is slow
PARTS = ("NOUN", "ADJ", "VERB")
TAGS = {"N": "NOUN", "A": "ADJ", "V": "VERB"}
Tagged = list[tuple[str, str]]


def toy_captions(number: int, seed: int = 0) -> list[str]:
    """Captions as the toy web has them, from things and backgrounds drawn at random."""
    rng = np.random.default_rng(seed)
    kinds = list(toy.BACKGROUND_NAMED)
    written = []
    for _ in range(number):
        things = [
            (toy.choose(rng, list(COLOURS)), toy.choose(rng, THINGS)) for _ in range(rng.integers(0, 4))
        ]
        grounds = [toy.choose(rng, STUFF) for _ in range(rng.integers(1, 3))]
        written.append(toy.write(rng, things, grounds, toy.choose(rng, kinds)))
    return written


def read_captions(path: Path) -> list[str]:
    """The captions of a file, cleaned, each once."""
    batches = caption_files.read(str(path), None, Counter())
    return list(dict.fromkeys(line for batch in batches for text in batch for line in lines(text)))


def per_second(texts: list[str], run: Callable[[list[str]], object]) -> float:
    """Captions per second of CPU time, in batches as the stage reads them."""
    started = time.process_time()
    for first in range(0, len(texts), BATCH):
        run(texts[first : first + BATCH])
    return len(texts) / (time.process_time() - started)


def speed(parser: CaptionParser, texts: list[str], nltk: Path | None) -> None:
    """Print captions per second of the whole parser and of its peers, and the ratios."""
    tokenizer: Any = parser.pipeline.tokenizer
    print(f"{len(texts):,} distinct captions, one process")
    cold = per_second(texts, parser.parse)
    print(f"{'our parser, first round':36}{cold:>10,.0f}/s")
    ours = max(per_second(texts, parser.parse) for _ in range(ROUNDS))
    print(f"{'our parser':36}{ours:>10,.0f}/s")
    peers: dict[str, tuple[list[str], Callable[[list[str]], object]]] = {
        "spaCy's tokenizer alone": (texts, lambda batch: list(tokenizer.pipe(batch)))
    }
    if nltk:
        tag = text_peers.nltk_tagger(nltk)
        peers["NLTK, tokenise and tag"] = (
            texts[:TAGGED_BY_PEER],
            lambda batch: [tag(text) for text in batch],
        )
        peers["pandas entity filter, row by row"] = (texts, text_peers.entity_filter)
    for name, (some, run) in peers.items():
        theirs = max(per_second(some, run) for _ in range(ROUNDS))
        print(
            f"{name:36}{theirs:>10,.0f}/s   ours is {ours / theirs:.2f} times as fast, "
            f"{cold / theirs:.2f} in the first round"
        )


def scores(truth: list[Tagged], found: list[Tagged]) -> dict[str, float]:
    """F1 of each part of PARTS, over multisets of word forms per sentence."""
    f1 = {}
    for part in PARTS:
        hits = both = 0
        for a, b in zip(truth, found, strict=True):
            first, second = (Counter(word for word, pos in words if pos == part) for words in (a, b))
            hits, both = hits + (first & second).total(), both + first.total() + second.total()
        f1[part] = 2 * hits / both
    return f1


def forms(model: str, texts: list[str]) -> list[Tagged]:
    """The words that `ovseg parse --forms` gives."""
    read_words = CaptionParser(model, forms=True).parse
    rows = [Parsed.union([read_words([line])[line] for line in lines(text)], forms=True) for text in texts]
    return [[(word, part) for part, name in COLUMNS.items() for word in getattr(row, name)] for row in rows]


def accuracy(parser: CaptionParser, path: Path, nltk: Path | None, model: str) -> None:
    """Print F1 of nouns, adjectives and verbs, in percent, on raw sentences."""
    sentences = list(read(path))
    truth = [[(token.form, token.upos) for token in tokens] for _, tokens in sentences]
    texts = [text for text, _ in sentences]
    found = {"ours": [[(token.text, token.pos_) for token in doc] for doc in parser.pipeline.pipe(texts)]}
    found["ovseg parse --forms"] = forms(model, texts)
    if nltk:
        tag = text_peers.nltk_tagger(nltk)
        found["NLTK"] = [[(word, text_peers.universal(word, t)) for word, t in tag(text)] for text in texts]
    for name, tagged in found.items():
        f1 = ", ".join(f"{part} {value:.2%}" for part, value in scores(truth, tagged).items())
        print(f"{path.name}, {len(texts):,} raw sentences, {name}: F1 {f1}")


def tagged_captions(parser: CaptionParser, path: Path) -> None:
    """Print F1 on captions tagged by hand: `source<TAB>a dog/N runs/V`, as `tests/text/captions_200.tsv`."""
    truth = []
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = [word.rpartition("/") for word in line.partition("\t")[2].split()]
        truth.append(
            [(a.lower(), TAGS[tag]) if a and tag in TAGS else (a + b + tag, "X") for a, b, tag in parts]
        )
    texts = [" ".join(word for word, _ in words) for words in truth]
    found = [[(word.text, word.pos) for word in parser.words(doc)] for doc in parser.pipeline.pipe(texts)]
    f1 = ", ".join(f"{part} {value:.2%}" for part, value in scores(truth, found).items())
    print(f"{path.name}, {len(texts):,} captions tagged by hand, ours: F1 {f1}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--treebank", type=Path)
    parser.add_argument("--nltk", type=Path)
    parser.add_argument("--tagged", type=Path, help="captions tagged by hand")
    parser.add_argument("--model", default="lexicon")
    args = parser.parse_args()
    started = time.process_time()
    pipeline = CaptionParser(args.model)
    print(f"{args.model}: loaded in {time.process_time() - started:.1f} s")
    speed(
        pipeline,
        read_captions(args.captions) if args.captions else sorted(set(toy_captions(20_000))),
        args.nltk,
    )
    if args.treebank:
        accuracy(pipeline, args.treebank, args.nltk, args.model)
    if args.tagged:
        tagged_captions(pipeline, args.tagged)


if __name__ == "__main__":
    main()
