import time

from ovseg_core.reporting.captions import forms, mark, shorten


def test_words_are_marked_in_the_form_the_caption_has():
    pieces = mark(
        "Two red fishes, berries and a fishing boat.",
        {"noun": ["fish", "berry", "boat"], "adjective": ["red"]},
    )
    assert pieces == [
        ("Two ", ""), ("red", "adjective"), (" ", ""), ("fishes", "noun"), (", ", ""), ("berries", "noun"),
        (" and a ", ""), ("fishing", "noun"), (" ", ""), ("boat", "noun"), (".", ""),
    ]  # fmt: skip


def test_irregular_forms_are_marked_too():
    assert mark("two men ran", {"noun": ["man"], "verb": ["run"]}) == [
        ("two ", ""), ("men", "noun"), (" ", ""), ("ran", "verb"),
    ]  # fmt: skip


def test_a_longer_word_that_only_starts_alike_is_not_marked():
    assert mark("a starfish at the start", {"noun": ["star"]}) == [("a starfish at the start", "")]
    assert "starfish" not in forms("star")


def test_nothing_is_lost_between_the_pieces():
    caption = "كلب أحمر 🐕 <b>dog</b> & dogs"
    assert "".join(text for text, _ in mark(caption, {"noun": ["dog", "كلب"]})) == caption


def test_control_characters_and_line_breaks_become_spaces():
    assert shorten("a\x00b\x1b[31m\n\n c") == "a b [31m c"


def test_a_caption_of_a_megabyte_is_cut_at_once():
    start = time.perf_counter()
    assert len(shorten("word " * 200_000)) == 240
    assert shorten(" " * 5_000 + "late") == "…"
    assert time.perf_counter() - start < 0.2
