import numpy as np
import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError

from ovseg_core.metrics.calibration import CalibrationError


def test_matches_the_value_worked_out_by_hand():
    metric = CalibrationError(num_bins=2)
    metric.update(np.array([0.25, 0.5, 0.75, 1.0]), np.array([True, False, True, True]))
    # (0, 1/2]: 1 of 2 right at a mean of 0.375; (1/2, 1]: 2 of 2 at 0.875 -> (2 * 0.125 + 2 * 0.125) / 4
    assert metric.compute() == pytest.approx(0.125)
    assert np.isnan(CalibrationError().compute())


def test_agrees_with_torchmetrics():
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    right = rng.random(5000) < confidence**2
    metric = CalibrationError(num_bins=15)
    metric.update(confidence.reshape(50, 100), right.reshape(50, 100))
    expected = BinaryCalibrationError(n_bins=15)(
        torch.from_numpy(confidence), torch.from_numpy(right.astype(int))
    )
    assert metric.compute() == pytest.approx(float(expected), abs=1e-6)


def test_workers_in_any_order_make_the_very_same_number():
    rng = np.random.default_rng(1)
    confidence, right = rng.random(900).astype(np.float32), rng.random(900) < 0.5
    whole, parts = CalibrationError(), [CalibrationError() for _ in range(3)]
    whole.update(confidence, right)
    for number, part in enumerate(parts):
        part.update(confidence[number::3], right[number::3])
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    assert parts[2].compute() == whole.compute()  # to the last bit


@pytest.mark.parametrize("confidence", [np.nan, -0.1, 1.1])
def test_what_is_no_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="from 0 to 1"):
        CalibrationError().update(np.array([confidence]), np.array([True]))
