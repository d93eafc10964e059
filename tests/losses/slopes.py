"""A check of gradients that the loss tests share."""

import pytest
import torch


def check_slope(loss, variable, step=1e-3):
    """Compare the gradient of `loss()` with central differences (float32 inside: hence the tolerance)."""
    (gradient,) = torch.autograd.grad(loss(), variable)
    flat = variable.data.view(-1)
    for i, slope in enumerate(gradient.flatten().tolist()):
        before = flat[i].item()
        flat[i] = before + step
        above = loss().item()
        flat[i] = before - step
        below = loss().item()
        flat[i] = before
        assert slope == pytest.approx((above - below) / (2 * step), abs=2e-3)
