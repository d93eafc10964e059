import numpy as np
import pytest

from ovseg_core.metrics.probe import RegionTop1

SCORES = np.array([[0.9, 0.1, 0.0], [0.6, 0.5, 0.0], [0.1, 0.2, 0.3]])


def test_matches_the_value_worked_out_by_hand():
    metric = RegionTop1(3)
    metric.update(SCORES, np.array([0, 1, 2]))
    metric.update(SCORES[:1], np.array([1]))
    # class 0: 1 of 1; class 1: 0 of 2; class 2: 1 of 1
    assert metric.compute([0, 1]) == pytest.approx(1 / 3)
    assert metric.compute([2]) == 1.0
    assert metric.compute(range(3)) == 0.5


def test_merged_parts_equal_one_pass_and_nothing_is_nan():
    left, right = RegionTop1(3), RegionTop1(3)
    assert np.isnan(left.compute([0]))
    left.update(SCORES[:1], np.array([0]))
    right.update(SCORES[1:], np.array([1, 2]))
    left.merge(right)
    assert left.hits.tolist() == [1, 0, 1]
    assert left.regions.tolist() == [1, 1, 1]


def test_an_image_without_regions_changes_nothing():
    metric = RegionTop1(3)
    metric.update(np.zeros((0, 3)), np.zeros(0, np.int64))
    assert metric.regions.sum() == 0
