"""The tables of words that ship are those of spaCy's package."""

from ovseg_core.text import word_tables


def test_the_file_that_ships_is_what_the_published_tables_give(tmp_path):
    word_tables.write(tmp_path / "made.safetensors")
    assert (tmp_path / "made.safetensors").read_bytes() == word_tables.TABLES.read_bytes()


def test_words_are_ordered_by_frequency_and_names_are_known():
    clusters, casing = word_tables.read()
    assert list(clusters)[:4] == ["the", "to", "a", "and"] == list(casing)[:4]
    # "lake" is written small about as often as large, "london" a 20th, "dog" 20 times as often.
    assert {name: casing[name] for name in ("lake", "london", "dog")} == {"lake": 0, "london": -3, "dog": 3}


def test_casing_is_a_rounded_difference_of_log_probabilities():
    assert word_tables._casing(-9.0, None) == 4  # never seen with a capital
    assert word_tables._casing(-9.0, -10.6) == 2
    assert word_tables._casing(-15.0, -9.0) == -4
