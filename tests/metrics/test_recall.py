import numpy as np
import pytest

from ovseg_core.metrics.recall import MaskRecall

TRUTH = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 255, 255]])  # two segments of 4 pixels, two void pixels


def mask(*pixels):
    flat = np.zeros((1, 10), bool)
    flat[0, list(pixels)] = True
    return flat


def recall_of(*masks, **options):
    metric = MaskRecall(**options)
    metric.update(np.stack(masks), TRUTH)
    return metric.compute()


def test_matches_the_value_worked_out_by_hand():
    # segment 0: best of 3/4 and 1/7 -> 0.75; segment 1: 2 shared of 4 + 2 - 2 -> 0.5, which still counts
    scores = recall_of(mask(0, 1, 2), mask(5, 6))
    assert scores == {"recall_50": 1.0, "recall_70": 0.5, "recall_90": 0.0}


def test_void_pixels_neither_help_nor_hurt():
    assert recall_of(mask(4, 5, 6, 7, 8, 9))["recall_90"] == 0.5


def test_spilling_into_the_background_hurts_though_it_is_no_segment():
    metric = MaskRecall()
    metric.update(np.stack([mask(0, 1, 2, 3, 4, 5, 6, 7)]), TRUTH, not_segments=[0])
    assert metric.segments == 1
    assert metric.compute() == {"recall_50": 1.0, "recall_70": 0.0, "recall_90": 0.0}  # IoU 4/8


def test_one_proposal_may_cover_two_segments_and_the_cap_cuts_the_later_ones():
    everything = mask(*range(8))  # IoU 1/2 with both
    assert recall_of(everything)["recall_50"] == 1.0
    assert recall_of(mask(9), everything, cap=1)["recall_50"] == 0.0


def test_no_proposal_is_recall_zero_and_no_segment_is_nan():
    metric = MaskRecall()
    metric.update(np.zeros((3, 1, 2), bool), np.full((1, 2), 255))
    assert np.isnan(metric.compute()["recall_50"])
    metric.update(np.zeros((0, 1, 10), bool), TRUTH)
    assert metric.compute()["recall_50"] == 0.0


def test_merged_parts_equal_one_pass():
    rng = np.random.default_rng(1)
    images = [(rng.random((5, 6, 6)) < 0.5, rng.integers(0, 3, (6, 6))) for _ in range(4)]
    whole, left, right = MaskRecall((0.2, 0.3)), MaskRecall((0.2, 0.3)), MaskRecall((0.2, 0.3))
    for index, image in enumerate(images):
        whole.update(*image)
        (left if index < 1 else right).update(*image)
    left.merge(right)
    assert left.compute() == whole.compute()
    assert 0 < whole.compute()["recall_30"] < 1


def test_sizes_have_to_agree():
    with pytest.raises(ValueError, match=r"proposals are \(2, 2\) and the truth \(1, 10\)"):
        MaskRecall().update(np.zeros((1, 2, 2), bool), TRUTH)


def test_an_iou_of_exactly_the_threshold_counts():
    metric = MaskRecall()
    metric.update(np.array([[[True] * 7 + [False] * 3]]), np.zeros((1, 10), np.uint8))
    assert metric.compute() == {"recall_50": 1.0, "recall_70": 1.0, "recall_90": 0.0}
