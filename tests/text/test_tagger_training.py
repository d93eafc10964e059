"""Reading a treebank, what is made of it, and the training of the tagger."""

import random

import numpy as np
import pytest

from ovseg_core.text import tagger_data, tagger_training
from ovseg_core.text.features import describe
from ovseg_core.text.lexicon import Lexicon
from ovseg_core.text.network import UPOS, Network
from ovseg_core.text.tagger_data import PALETTE, Examples
from ovseg_core.text.tagger_training import read_training_part, train
from ovseg_core.text.treebank import Token, bare, fragments, read, title

CONLLU = """
# sent_id = one
# text = I don't see the old man in Lake Tahoe.
1\tI\tI\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tsee\tsee\tVERB\tVB\t_\t0\troot\t_\t_
5\tthe\tthe\tDET\tDT\t_\t7\tdet\t_\t_
6\told\told\tADJ\tJJ\t_\t7\tamod\t_\t_
7\tman\tman\tNOUN\tNN\t_\t4\tobj\t_\t_
8\tin\tin\tADP\tIN\t_\t10\tcase\t_\t_
9\tLake\tLake\tPROPN\tNNP\t_\t10\tcompound\t_\t_
10\tTahoe\tTahoe\tPROPN\tNNP\t_\t7\tnmod\t_\tSpaceAfter=No
11\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_

# sent_id = two
# text = A lake
1\tA\ta\tDET\tDT\t_\t2\tdet\t_\t_
2\tlake\tlake\tNOUN\tNN\t_\t0\troot\t_\t_
3.1\tnothing\t_\tNOUN\tNN\t_\t_\t_\t_\t_
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("treebank")
    (path / "xx-ud-train.conllu").write_text(CONLLU, encoding="utf-8")
    (path / "xx-ud-dev.conllu").write_text(CONLLU.replace("lake", "pond"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def examples(folder):
    return Examples(read_training_part(folder), Lexicon())


def test_a_treebank_is_read_word_by_word(folder):
    (text, first), (_, second) = read(folder / "xx-ud-train.conllu")
    assert text == "I don't see the old man in Lake Tahoe."
    assert [token.form for token in first] == [
        *("I", "do", "n't", "see", "the", "old", "man", "in", "Lake", "Tahoe", ".")
    ]
    assert first[5] == Token("old", "ADJ", "JJ", 6)
    assert first[3].head == -1
    assert second == [Token("A", "DET", "DT", 1), Token("lake", "NOUN", "NN", -1)]  # 3.1 was never said


def test_only_the_training_part_is_read(folder, tmp_path):
    assert [len(sentence) for sentence in read_training_part(folder)] == [11, 2]
    with pytest.raises(ValueError, match=r"no \*train\.conllu"):
        read_training_part(tmp_path)


def test_a_fragment_is_a_noun_with_what_hangs_on_it(folder):
    [(_, first), (_, second)] = read(folder / "xx-ud-train.conllu")
    [found] = fragments(first)
    assert " ".join(token.form for token in found) == "the old man in Lake Tahoe"
    assert fragments(second) == []  # two words are too few
    assert [token.form for token in bare(first)][-1] == "Tahoe"
    assert [token.form for token in title(second)] == ["A", "Lake"]


def test_in_small_letters_a_name_that_is_a_word_becomes_the_word(examples, monkeypatch):
    monkeypatch.setattr(tagger_data, "SWAPPED", 0)
    monkeypatch.setattr(tagger_data, "COLOURED", 0)
    monkeypatch.setattr(tagger_data, "CAPITAL", 0)
    made = examples.as_caption(examples.sentences[0], random.Random(0))
    assert [(token.form, token.upos) for token in made[8:10]] == [("lake", "NOUN"), ("tahoe", "PROPN")]


def test_words_are_put_in_the_place_of_others_of_their_kind(examples, monkeypatch):
    monkeypatch.setattr(tagger_data, "SWAPPED", 1)
    monkeypatch.setattr(tagger_data, "COLOURED", 1)
    before = examples.sentences[0]
    made = examples.as_caption(before, random.Random(0))
    assert [a.upos for a in made[:8]] == [b.upos for b in before[:8]]
    assert made[5].form in PALETTE  # old
    assert made[6].form in examples.listed["NN"]  # man
    assert made[6].form != "man"
    assert made[4].form == "the"  # of a closed class


def test_made_up_captions_name_somebody(examples):
    rng = random.Random(0)
    for _ in range(200):
        made = examples.made_up(rng)
        assert any(token.upos == "NOUN" for token in made)
        assert {token.upos for token in made} <= {
            *("DET", "NUM", "ADJ", "NOUN", "AUX", "VERB", "ADP", "ADV", "CCONJ", "PUNCT")
        }
        assert all(token.form and token.upos in UPOS for token in made)


def test_the_same_treebank_and_seed_give_the_same_bytes_and_a_tagger_that_learnt(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tagger_data, "MADE_UP", 0)
    monkeypatch.setattr(tagger_training, "WARMUP", 5)
    sentences = read_training_part(folder) * 16
    for name in ("one", "two"):
        train(sentences, tmp_path / name, epochs=40)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    net, lexicon = Network.read(tmp_path / "one"), Lexicon()
    words = [token.form for token in sentences[0]]
    rows = [net.index.of(describe(word, lexicon)) for word in words]
    found = [UPOS[tag] for tag in net.tag(np.array(net.learn(rows)), [len(rows)])]
    assert found == [token.upos for token in sentences[0]]
