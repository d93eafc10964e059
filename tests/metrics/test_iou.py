import numpy as np
import pytest

from ovseg_core.metrics.iou import MeanIoU

TRUTH = np.array([[[0, 0, 1]], [[1, 2, 255]]])  # two images of 1 x 3 pixels; 255 is void
GUESS = np.array([[[0, 1, 1]], [[1, 2, 0]]])


def counted(guesses, truths, num_classes=4, convention="mmseg"):
    metric = MeanIoU(num_classes, convention=convention)
    for guess, truth in zip(guesses, truths, strict=True):
        metric.update(guess, truth)
    return metric


def test_matches_the_value_worked_out_by_hand():
    # class 0: 1 hit of {2 true, 1 guessed} -> 1/2     class 2: 1 of {1, 1} -> 1
    # class 1: 2 hits of {2 true, 3 guessed} -> 2/3    class 3: in neither map -> NaN, not 0
    scores = counted(GUESS, TRUTH).compute()
    assert scores["iou"] == pytest.approx([1 / 2, 2 / 3, 1, np.nan], nan_ok=True)
    assert scores["miou"] == pytest.approx(13 / 18)
    assert scores["aacc"] == pytest.approx(4 / 5)


def test_a_class_predicted_but_never_true_counts_as_zero():
    metric = counted([np.array([[0, 3]])], [np.array([[0, 0]])])
    # class 0: 1 of 2 -> 1/2; class 3: 0 of 1 -> 0; detectron2 would say 1/2
    assert metric.compute()["miou"] == pytest.approx(1 / 4)


def test_accuracy_is_over_the_true_pixels_of_a_class():
    # class 0: 1 of 2; class 1: 2 of 2; class 2: 1 of 1; class 3 is never true
    metric = counted(GUESS, TRUTH)
    assert metric.accuracy() == pytest.approx([1 / 2, 1, 1, np.nan], nan_ok=True)
    assert metric.compute()["macc"] == pytest.approx(5 / 6)
    assert metric.mean_accuracy([0, 3]) == pytest.approx(1 / 2)


def test_mean_over_a_subset_leaves_out_what_occurs_nowhere():
    metric = counted(GUESS, TRUTH)
    assert metric.mean([1, 2]) == pytest.approx(5 / 6)
    assert metric.mean([0, 3]) == pytest.approx(1 / 2)
    assert np.isnan(metric.mean([3]))
    assert np.isnan(metric.mean([]))


def test_merged_parts_equal_one_pass():
    rng = np.random.default_rng(0)
    truths, guesses = rng.integers(0, 5, (2, 6, 7, 9))
    whole = counted(guesses, truths, 5)
    left, right = counted(guesses[:2], truths[:2], 5), counted(guesses[2:], truths[2:], 5)
    left.counts.setflags(write=False)  # as it comes from another process
    left.merge(right)
    assert np.array_equal(left.counts, whole.counts)
    assert whole.counts.sum() == 6 * 7 * 9


def test_an_empty_metric_is_nan_without_a_warning(recwarn):
    assert np.isnan(MeanIoU(3).compute()["miou"])
    assert np.isnan(MeanIoU(3).compute()["aacc"])
    assert not recwarn


def test_a_16_bit_void_label_leaves_255_a_class():
    metric = MeanIoU(300, ignore_label=65535)
    metric.update(np.array([[255, 7]]), np.array([[255, 65535]], np.uint16))
    assert metric.counts[255, 255] == 1
    assert metric.counts.sum() == 1


@pytest.mark.parametrize(
    ("guess", "truth", "message"),
    [
        ([[0, 1]], [[0]], r"prediction is \(1, 2\) and the truth \(1, 1\)"),
        ([[4]], [[0]], "prediction has labels from 4 to 4; there are 4 classes"),
        ([[0]], [[9]], "truth has labels from 9 to 9"),
        ([[-1]], [[0]], "prediction has labels from -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(guess, truth, message):
    with pytest.raises(ValueError, match=message):
        MeanIoU(4).update(np.array(guess), np.array(truth))
