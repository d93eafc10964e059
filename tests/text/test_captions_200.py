"""The tagger on 200 real captions that were tagged by hand.

`captions_200.tsv` holds 100 captions of Flickr8k and 100 of Conceptual Captions (CC3M, validation part),
drawn by the smallest SHA-256 among the distinct ones, with our tags: /N noun, /A adjective, /V verb.
Flickr8k is for research, non-commercial; Conceptual Captions is free to use with the request to name Google.
Only these texts are kept here.

How they are tagged: what the caption names, as a reader would say it. Parts of compounds are nouns ("soccer
ball"), words with hyphens are one word, a colour is an adjective also where it stands alone ("in black"), a
participle before a noun is a verb where something happens ("flying discs") and an adjective where it is a
property ("crowded"). They were tagged before the tagger had seen them, and read a second time beside what it
said.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

FIXTURE = Path(__file__).with_name("captions_200.tsv")
TAGS = {"N": "NOUN", "A": "ADJ", "V": "VERB"}


def read():
    """(source, [(word, part of speech or "")]) of each caption."""
    for line in FIXTURE.read_text(encoding="utf-8").splitlines():
        source, _, tagged = line.partition("\t")
        parts = [re.fullmatch(r"(.+?)(?:/([NAV]))?", word) for word in tagged.split()]
        yield source, [(part[1].lower(), TAGS.get(part[2], "")) for part in parts]


def f1(pairs, part):
    """Of the multisets of words of one part of speech per caption."""
    hits = true = guessed = 0
    for truth, found in pairs:
        a, b = (Counter(word for word, pos in words if pos == part) for words in (truth, found))
        hits, true, guessed = hits + (a & b).total(), true + a.total(), guessed + b.total()
    return 2 * hits / (true + guessed)


@pytest.fixture(scope="module")
def pairs(parser):
    truth = [words for _, words in read()]
    docs = parser.pipeline.pipe([" ".join(word for word, _ in words) for words in truth])
    return [(a, [(w.text, w.pos) for w in parser.words(b)]) for a, b in zip(truth, docs, strict=True)]


def test_the_fixture_is_half_and_half():
    assert Counter(source for source, _ in read()) == {"flickr8k": 100, "cc3m": 100}


def test_f1_of_two_captions_by_hand():
    truth = [("dog", "NOUN"), ("dog", "NOUN"), ("red", "ADJ")]
    found = [("dog", "NOUN"), ("red", "NOUN")]
    # 1 hit, 2 true, 2 guessed in the first; 0, 0, 1 in the second: 2 * 1 / (2 + 3)
    assert f1([(truth, found), ([], [("cat", "NOUN")])], "NOUN") == pytest.approx(2 / 5)


@pytest.mark.parametrize(("part", "least"), [("NOUN", 0.95), ("ADJ", 0.91), ("VERB", 0.92)])
def test_words_are_what_a_reader_takes_them_for(pairs, part, least):
    assert f1(pairs, part) >= least


@pytest.mark.parametrize("source", ["flickr8k", "cc3m"])
def test_nouns_of_either_source(pairs, source):
    chosen = [pair for pair, (name, _) in zip(pairs, read(), strict=True) if name == source]
    assert f1(chosen, "NOUN") >= 0.93
