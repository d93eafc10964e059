"""Speed of the text pipeline beside spaCy's bare tokenizer, and its accuracy on a treebank.

Usage: `python -m benchmarks.text [--captions FILE] [--treebank FILE.conllu] [--model lexicon]`. Captions are
the last column of a CSV file with a heading, or the lines of any other file; without a file, captions of the
toy world. The treebank is in Universal Dependencies' format (English EWT, say), read with its own tokens.
Seconds are CPU time of one process.
"""

import argparse
import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ovseg_core.text.captions import lines
from ovseg_core.text.pipeline import CaptionParser
from ovseg_core.web import captions as toy
from ovseg_core.web.world import COLOURS, STUFF, THINGS

BATCH = 512
ROUNDS = 3
PARTS = ("NOUN", "ADJ", "VERB")


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
    with path.open(encoding="utf-8", newline="") as handle:
        texts = [row[-1] for row in csv.reader(handle)][1:] if path.suffix == ".csv" else handle.readlines()
    return list(dict.fromkeys(line for text in texts for line in lines(text)))


def per_second(texts: list[str], run: Callable[[list[str]], object]) -> float:
    """Captions per second of CPU time, in batches as the stage reads them."""
    started = time.process_time()
    for first in range(0, len(texts), BATCH):
        run(texts[first : first + BATCH])
    return len(texts) / (time.process_time() - started)


def speed(parser: CaptionParser, texts: list[str]) -> None:
    """Print captions per second of the whole parser and of its tokenizer alone."""
    tokenizer: Any = parser.pipeline.tokenizer
    runs = {"parser": parser.parse, "tokenizer": lambda batch: list(tokenizer.pipe(batch))}
    best = {name: max(per_second(texts, run) for _ in range(ROUNDS)) for name, run in runs.items()}
    ratio = best["parser"] / best["tokenizer"]
    print(f"{len(texts)} distinct captions, best of {ROUNDS}, one process:")
    print(f"parser {best['parser']:,.0f}/s, tokenizer {best['tokenizer']:,.0f}/s, ratio {ratio:.3f}")


def sentences(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """(words, universal parts of speech) of each sentence of a CoNLL-U file."""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        rows = [line.split("\t") for line in block.splitlines() if not line.startswith("#")]
        rows = [row for row in rows if row[0].isdigit()]
        yield [row[1] for row in rows], [row[3] for row in rows]


def accuracy(parser: CaptionParser, path: Path) -> None:
    """Print precision, recall and F1 of nouns, adjectives and verbs, in percent."""
    from spacy.tokens import Doc

    hits, guessed, true = Counter[str](), Counter[str](), Counter[str]()
    for words, truth in sentences(path):
        doc = Doc(parser.pipeline.vocab, words=words)
        for _, component in parser.pipeline.pipeline:
            doc = component(doc)
        found = [token.pos_ for token in doc]
        hits.update(part for part, right in zip(found, truth, strict=True) if part == right)
        guessed.update(found)
        true.update(truth)
    for part in PARTS:
        precision, recall = hits[part] / guessed[part], hits[part] / true[part]
        f1 = 2 * hits[part] / (guessed[part] + true[part])
        print(f"{path.name} {part}: precision {precision:.1%}, recall {recall:.1%}, F1 {f1:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--treebank", type=Path)
    parser.add_argument("--model", default="lexicon")
    args = parser.parse_args()
    started = time.process_time()
    pipeline = CaptionParser(args.model)
    print(f"{args.model}: loaded in {time.process_time() - started:.1f} s")
    speed(pipeline, read_captions(args.captions) if args.captions else sorted(set(toy_captions(20_000))))
    if args.treebank:
        accuracy(pipeline, args.treebank)


if __name__ == "__main__":
    main()
