import numpy as np
import pytest

from ovseg_core.metrics.confusion import add_pairs, blocks

# rows truth, columns prediction: cat, dog (things), sky, grass (stuff), background
COUNTS = np.array(
    [
        [6, 2, 1, 1, 5],
        [0, 8, 2, 0, 0],
        [3, 1, 4, 2, 0],
        [0, 0, 5, 5, 0],
        [9, 9, 9, 9, 9],
    ]
)


def test_blocks_by_hand():
    # 20 true pixels of things (5 called background aside), 16 of them called a thing; 20 of stuff, 4 so
    found = blocks(COUNTS, things=[0, 1], stuff=[2, 3])
    assert found == {
        "thing_as_thing": 0.8,
        "thing_as_stuff": 0.2,
        "stuff_as_stuff": 0.8,
        "foreground_bias": 0.2,
    }


def test_without_stuff_there_is_no_bias():
    assert np.isnan(blocks(COUNTS, things=[0, 1], stuff=[])["foreground_bias"])


def test_counts_as_a_histogram_does():
    rng = np.random.default_rng(0)
    prediction, truth = rng.integers(0, 7, (2, 500)).astype(np.uint16)
    counts = np.ones((7, 7), np.int64)
    add_pairs(counts, prediction, truth)
    assert np.array_equal(counts - 1, np.histogram2d(truth, prediction, bins=7)[0])


@pytest.mark.parametrize("num_classes", [300, 847])
def test_large_vocabularies_do_not_overflow_small_integers(num_classes):
    counts = np.zeros((num_classes, num_classes), np.int64)
    label = np.array([num_classes - 1], np.uint16)
    add_pairs(counts, label, label)
    assert counts[-1, -1] == counts.sum() == 1
