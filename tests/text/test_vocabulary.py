import pyarrow as pa

from ovseg_core.text import vocabulary
from ovseg_core.text.vocabulary import Vocabulary


def units(*pairs):
    return pa.table(
        {"row": range(len(pairs)), "word": [word for word, _ in pairs], "part": [part for _, part in pairs]}
    )


def decided(vocab, taken=("noun", "adjective"), min_documents=2):
    return {row["word"]: row for row in vocab.decide(taken, min_documents).to_pylist()}


def test_documents_are_added_up_over_shards_and_parts():
    vocab = Vocabulary()
    vocab.add(units(("fish", "noun"), ("fish", "noun"), ("orange", "noun")))
    vocab.add(units(("orange", "adjective"), ("orange", "adjective"), ("fish", "noun"), ("red", "adjective")))
    found = decided(vocab, min_documents=3)
    assert found["fish"] == {"word": "fish", "part": "noun", "documents": 3, "kept": True, "reason": ""}
    # once a noun and twice an adjective: three captions, and mostly an adjective
    assert found["orange"] == {
        "word": "orange",
        "part": "adjective",
        "documents": 3,
        "kept": True,
        "reason": "",
    }
    assert found["red"] == {
        "word": "red",
        "part": "adjective",
        "documents": 1,
        "kept": False,
        "reason": "too_rare",
    }


def test_parts_that_the_filter_leaves_out_do_not_count():
    vocab = Vocabulary()
    vocab.add(units(("run", "noun"), ("run", "verb"), ("run", "verb"), ("swim", "verb"), ("swim", "verb")))
    found = decided(vocab)
    assert len(vocab.decide(("noun", "adjective"), 2)) == 2  # "run" stands once
    assert (found["run"]["documents"], found["run"]["reason"]) == (1, "too_rare")
    assert (found["swim"]["kept"], found["swim"]["reason"]) == (False, "filtered_part")
    assert decided(vocab, taken=("noun", "verb"))["run"]["documents"] == 3


def test_a_noun_comes_before_an_adjective_of_the_same_count():
    vocab = Vocabulary()
    vocab.add(units(("orange", "adjective"), ("orange", "noun")))
    assert decided(vocab)["orange"]["part"] == "noun"


def test_the_order_is_by_documents_and_then_by_word():
    vocab = Vocabulary()
    vocab.add(units(("b", "noun"), ("a", "noun"), ("c", "noun"), ("c", "noun"), ("d", "verb")))
    assert vocab.decide(("noun",), 1)["word"].to_pylist() == ["c", "a", "b", "d"]


def test_merging_on_the_way_changes_nothing(monkeypatch):
    whole, merged = Vocabulary(), Vocabulary()
    shards = [units(*[(f"w{i % 7}", "noun") for i in range(k)]) for k in range(1, 12)]
    for shard in shards:
        whole.add(shard)
    monkeypatch.setattr(vocabulary, "MERGE_ROWS", 3)
    for shard in shards:
        merged.add(shard)
    assert merged.decide(("noun",), 2).equals(whole.decide(("noun",), 2))


def test_no_words_at_all():
    assert len(Vocabulary().decide(("noun",), 1)) == 0
