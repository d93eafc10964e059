"""Principal components: against values by hand and against a plain eigendecomposition."""

import pytest
import torch

from ovseg_core.models.components import SHRINK, Components, principal_components


def found(rows, count):
    return principal_components(count, len(rows), rows.sum(0), rows.T @ rows)


def test_two_channels_by_hand():
    # channel 0 has mean 1 and variance 4, channel 1 mean 3 and variance 1; at unit variance their correlation
    # is 0.5, so that the directions (1, 1) and (1, -1) have the variances 1.5 and 0.5
    rows = torch.tensor(
        [[3.0, 4.0], [3.0, 4.0], [-1.0, 2.0], [-1.0, 2.0]] * 3 + [[3.0, 2.0], [-1.0, 4.0]] * 2
    )
    two = found(rows, 3)
    kept = [1.5 + SHRINK, 0.5 + SHRINK]
    scale = (2 / (1.5 / kept[0] + 0.5 / kept[1])) ** 0.5
    first, second = (scale / (2 * k) ** 0.5 for k in kept)
    expected = torch.tensor([[first / 2, second / 2, 0], [first, -second, 0]])
    torch.testing.assert_close(two["basis"], expected)
    bias = torch.tensor([-first / 2 - 3 * first, -second / 2 + 3 * second, 3**0.5])
    torch.testing.assert_close(two["bias"], bias)


def test_projected_vectors_are_centred_uncorrelated_and_of_the_stated_length():
    torch.manual_seed(0)
    rows = torch.randn(500, 12) @ torch.randn(12, 12) + 5
    rows[:, 3] = 7  # says nothing
    components = Components(12, 5)
    components.load(found(rows, 5))
    projected = components(rows.T[None, :, :, None])[0, :, :, 0]  # (5, 500)
    assert torch.equal(projected[4], torch.full((500,), 5**0.5))
    projected = projected[:4]
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
    with pytest.raises(ValueError, match="8 components, one of them a constant, of 6 channels"):
        found(torch.randn(9, 6), 8)
    with pytest.raises(ValueError, match="do not vary"):
        found(torch.ones(9, 6), 2)
    with pytest.raises(ValueError, match=r"basis is \(6, 2\), the model wants \(5, 2\)"):
        Components(5, 2).load(found(torch.randn(9, 6), 2))
