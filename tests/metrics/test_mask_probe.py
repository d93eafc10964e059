import numpy as np
import pytest

from ovseg_core.metrics.iou import MeanIoU
from ovseg_core.metrics.mask_probe import MaskProbe, oracle_map

TRUTH = np.array([[0, 0, 0, 1, 1, 2, 255, 255]])


def mask(*pixels):
    flat = np.zeros((1, TRUTH.size), bool)
    flat[0, list(pixels)] = True
    return flat


def test_the_best_mask_of_every_segment_counts():
    metric = MaskProbe()
    metric.update(np.stack([mask(0, 1, 6), mask(2, 3, 4), mask(5, 7)]), TRUTH)
    # class 0: 2/3 of the first; class 1: 2/3 of the second; class 2: 1, void aside
    assert metric.compute() == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_the_background_is_no_segment_and_no_mask_is_zero():
    metric = MaskProbe()
    metric.update(np.zeros((0, *TRUTH.shape), bool), TRUTH, not_segments=[0])
    assert (len(metric.best), metric.compute()) == (2, 0.0)
    assert np.isnan(MaskProbe().compute())


def test_workers_in_any_order_make_the_very_same_number():
    rng = np.random.default_rng(0)
    images = [(rng.random((4, 9, 9)) < 0.3, rng.integers(0, 4, (9, 9))) for _ in range(30)]
    whole, parts = MaskProbe(), [MaskProbe() for _ in range(3)]
    for number, image in enumerate(images):
        whole.update(*image)
        parts[number % 3].update(*image)
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    assert parts[2].compute() == whole.compute()  # to the last bit


def test_the_oracle_names_each_mask_by_its_commonest_class():
    masks = np.stack([mask(0, 1, 2, 3), mask(3, 4, 5, 6), mask(6, 7)])
    named = oracle_map(masks, TRUTH, uncovered=9)
    # the first is seen where they overlap; void alone names nothing, so the last pixel is uncovered
    assert named.tolist() == [[0, 0, 0, 0, 1, 1, 1, 9]]
    metric = MeanIoU(10)
    metric.update(named, TRUTH)
    # class 0: 3/4; class 1: 1 of {2 true, 2 named}: 1/3; class 2: 0
    assert metric.compute()["miou"] == pytest.approx((3 / 4 + 1 / 3 + 0) / 3)


def test_masks_that_are_the_truths_reach_everything():
    masks = np.stack([label == TRUTH for label in (0, 1, 2)])
    assert (oracle_map(masks, TRUTH, uncovered=0)[TRUTH != 255] == TRUTH[TRUTH != 255]).all()


def test_sizes_have_to_agree():
    with pytest.raises(ValueError, match=r"masks are \(2, 2\) and the truth \(1, 8\)"):
        MaskProbe().update(np.zeros((1, 2, 2), bool), TRUTH)
    with pytest.raises(ValueError, match=r"masks are \(2, 2\) and the truth \(1, 8\)"):
        oracle_map(np.zeros((1, 2, 2), bool), TRUTH, 0)
