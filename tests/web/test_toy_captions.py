import re

import numpy as np
import pytest

from ovseg_core.web import captions


def write(index, things, grounds=("grass",), kind="portrait"):
    return captions.write(np.random.default_rng(index), things, grounds, kind)


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def test_at_least_one_thing_is_named():
    things = [("red", "fish"), ("blue", "star")]
    for index in range(500):
        assert words(write(index, things)) & {"fish", "star"}


def test_things_colours_and_backgrounds_are_named_in_their_shares():
    pairs = [("red", "fish"), ("blue", "star")]
    texts = [words(write(index, pairs, ("snow",), "multi")) for index in range(2000)]
    # both named 0.92^2, only one 2 x 0.92 x 0.08, none 0.08^2 and then one of the two: 0.92 + 0.0064 / 2
    assert np.mean(["fish" in text for text in texts]) == pytest.approx(0.923, abs=0.02)
    assert np.mean(["red" in text for text in texts]) == pytest.approx(0.923 * 0.35, abs=0.035)
    assert np.mean(["snow" in text for text in texts]) == pytest.approx(0.6, abs=0.035)
    texts = [words(write(index, pairs, ("snow",), "portrait")) for index in range(2000)]
    assert np.mean(["snow" in text for text in texts]) == pytest.approx(0.3, abs=0.035)


def test_a_picture_without_things_names_a_background():
    for index in range(200):
        assert words(write(index, [], ("sand", "snow"), "landscape")) & {"sand", "snow"}


def test_two_of_a_kind_become_a_plural():
    texts = [write(index, [("red", "star")] * 2) for index in range(200)]
    assert any("two red stars" in text.lower() for text in texts)
    assert any("butterflies" in write(index, [("red", "butterfly")] * 2).lower() for index in range(20))
    assert not any("butterflys" in write(index, [("red", "butterfly")] * 2).lower() for index in range(50))


def test_second_names_are_used_now_and_then():
    texts = [words(write(index, [("red", "mug")])) for index in range(2000)]
    assert np.mean(["cup" in text for text in texts]) == pytest.approx(0.2, abs=0.03)
    assert all({"cup", "mug"} & text for text in texts)


def test_articles_fit():
    for index in range(300):
        text = write(index, [("orange", "umbrella")]).lower()
        assert not re.search(r"\ba (orange|umbrella)", text)
        assert not re.search(r"\ban (?!orange|umbrella|unknown)", text)
