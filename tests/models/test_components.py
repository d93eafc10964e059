"""Principal components: against values by hand and against a plain eigendecomposition."""

import pytest
import torch

from ovseg_core.models.components import SHRINK, Components, principal_components


def found(rows, count):
    return principal_components(count, len(rows), rows.sum(0), rows.T @ rows)


def test_two_channels_by_hand():
    # channel 0 has mean 1 and variance 4, channel 1 mean 3 and variance 1; they do not vary together
    rows = torch.tensor([[3.0, 4.0], [3.0, 2.0], [-1.0, 4.0], [-1.0, 2.0]])
    two = found(rows, 2)
    assert two["mean"].tolist() == [1, 3]
    kept = [4 + SHRINK * 2.5, 1 + SHRINK * 2.5]
    length = 4 / kept[0] + 1 / kept[1]
    expected = torch.diag(torch.tensor([(2 / length / k) ** 0.5 for k in kept]))
    torch.testing.assert_close(two["basis"], expected)


def test_projected_vectors_are_centred_uncorrelated_and_of_the_stated_length():
    torch.manual_seed(0)
    rows = torch.randn(500, 12) @ torch.randn(12, 12) + 5
    components = Components(12, 4)
    components.load(found(rows, 4))
    projected = components(rows.T[None, :, :, None])[0, :, :, 0]  # (4, 500)
    torch.testing.assert_close(projected.mean(1), torch.zeros(4), rtol=0, atol=1e-4)
    covariance = projected @ projected.T / 500
    torch.testing.assert_close(covariance, torch.diag(covariance.diagonal()), rtol=0, atol=1e-3)
    assert projected.square().sum(0).mean().item() == pytest.approx(4, rel=1e-3)
    assert (covariance.diagonal().diff() < 0).all()  # the leading one first


def test_sums_give_the_same_signs_in_any_order():
    torch.manual_seed(0)
    rows = torch.randn(100, 6)
    first, second = found(rows, 3), found(rows.flip(0), 3)
    torch.testing.assert_close(first["basis"], second["basis"], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_found_is_refused():
    with pytest.raises(ValueError, match="7 components of 6 channels"):
        found(torch.randn(9, 6), 7)
    with pytest.raises(ValueError, match="do not vary"):
        found(torch.ones(9, 6), 2)
    with pytest.raises(ValueError, match=r"mean is \(6,\), the model wants \(5,\)"):
        Components(5, 2).load(found(torch.randn(9, 6), 2))
