import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

from ovseg_core.metrics.confusion import blocks
from ovseg_core.metrics.probe import RegionTopK

SCORES = np.array([[0.9, 0.1, 0.0], [0.6, 0.5, 0.0], [0.1, 0.2, 0.3]])


def counted(ks=(1, 2)):
    metric = RegionTopK(3, ks)
    metric.update(SCORES, np.array([0, 1, 2]))
    metric.update(SCORES[:1], np.array([1]))
    metric.update(SCORES[:1], np.array([0]))
    return metric


def test_matches_the_value_worked_out_by_hand():
    metric = counted()
    # class 0: 2 of 2; class 1: 0 of 2, second both times; class 2: 1 of 1
    assert metric.compute([0, 1]) == 0.5
    assert metric.compute([2]) == 1.0
    assert metric.compute(range(3)) == pytest.approx(3 / 5)
    assert metric.compute(range(3), k=2) == 1.0


def test_a_mean_over_classes_does_not_count_regions():
    metric = counted()
    assert metric.mean_class_accuracy(range(3)) == pytest.approx(2 / 3)
    assert metric.mean_class_accuracy([1], k=2) == 1.0
    assert np.isnan(RegionTopK(3).mean_class_accuracy([0]))


def test_agrees_with_torchmetrics():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((200, 12)), rng.integers(0, 10, 200)
    metric = RegionTopK(12, (1, 5))
    metric.update(scores, labels)
    for k in (1, 5):
        reference = MulticlassAccuracy(
            10, top_k=k, average="macro"
        )  # it would count a class without regions as 0
        expected = reference(torch.from_numpy(scores[:, :10]), torch.from_numpy(labels))
        fewer = RegionTopK(10, (1, 5))
        fewer.update(scores[:, :10], labels)
        assert fewer.mean_class_accuracy(range(10), k) == pytest.approx(float(expected))
    assert metric.mean_class_accuracy(range(12), 5) == metric.mean_class_accuracy(range(10), 5)


def test_the_confusion_shows_what_is_called_a_thing():
    # class 0 is a thing: both regions of class 1, which is stuff, are called it, that of class 2 is not
    counts = counted().confusion()
    assert counts.tolist() == [[2, 0, 0], [2, 0, 0], [0, 0, 1]]
    assert blocks(counts, things=[0], stuff=[1, 2])["foreground_bias"] == pytest.approx(2 / 3)


def test_regions_may_come_ranked():
    metric = RegionTopK(3, (1, 2))
    metric.update_ranked(np.array([[0, 1], [0, 1], [2, -1], [0, -1], [0, 2]]), np.array([0, 1, 2, 1, 0]))
    assert metric.hits.tolist() == [[2, 0, 1], [2, 1, 1]]
    assert metric.confusion().tolist() == counted().confusion().tolist()


def test_merged_parts_equal_one_pass_and_nothing_is_nan():
    left, right = RegionTopK(3), RegionTopK(3)
    assert np.isnan(left.compute([0]))
    left.update(SCORES[:1], np.array([0]))
    right.update(SCORES[1:], np.array([1, 2]))
    left.merge(right)
    assert left.hits.tolist() == [[1, 0, 1], [1, 1, 1]]
    assert left.regions.tolist() == [1, 1, 1]
    assert left.confusion().tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_an_image_without_regions_changes_nothing():
    metric = RegionTopK(3)
    metric.update(np.zeros((0, 3)), np.zeros(0, np.int64))
    assert metric.regions.sum() == 0


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"scores are \(3, 3\); for 2 regions and 3 classes"):
        RegionTopK(3).update(SCORES, np.array([0, 1]))
    with pytest.raises(ValueError, match="region 1 are not numbers"):
        RegionTopK(3).update(np.array([[0, 1, 2], [0, np.nan, 1]]), np.array([0, 1]))
