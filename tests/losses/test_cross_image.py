"""Eq. 10-12 of OVSegmentor and GroupViT's multi-label loss, worked out by hand."""

import math

import pytest
import torch
from slopes import check_slope

from ovseg_core.losses.cross_image import mask_consistency, nearest_groups
from ovseg_core.losses.multi_label import multi_label_contrast

ON, OFF = 20.0, -20.0  # logits of 1 and 0


def test_masks_are_matched_before_they_are_compared():
    target = torch.tensor([[[ON, ON, OFF, OFF], [OFF, OFF, ON, ON]]])
    swapped = target.flip(1)
    assert mask_consistency(swapped, target, 0.5).item() == pytest.approx(0, abs=1e-6)
    three = torch.full((1, 3, 3), OFF)
    three[0].fill_diagonal_(ON)
    turned = three.roll(1, dims=1)  # no swap: the way back is another one than the way there
    assert mask_consistency(turned, three, 0.5).item() == pytest.approx(0, abs=1e-6)
    # one mask off by one location: Dice = 1 - (2 * 1 + 1) / (1 + 2 + 1) = 1/4, with one pixel of smoothing
    partly = torch.tensor([[[OFF, OFF, ON, ON], [ON, OFF, OFF, OFF]]])
    assert mask_consistency(partly, target, 0.5).item() == pytest.approx(1 / 4, abs=1e-6)
    # the sum over masks, the mean over pairs
    both = mask_consistency(torch.cat([partly, swapped]), torch.cat([target, target]), 0.5)
    assert both.item() == pytest.approx(1 / 8, abs=1e-6)


def test_targets_are_binary_at_delta_or_at_its_share_of_the_peak():
    half = torch.logit(torch.tensor([[[0.6, 0.3]]]))
    full = torch.tensor([[[ON, OFF]]])
    # m = [0.6, 0.3]: above 0.5 is the first location, above 0.65 none; 0.65 of the peak is 0.39
    assert mask_consistency(full, half, 0.5).item() == pytest.approx(0, abs=1e-6)
    assert mask_consistency(full, half, 0.65).item() == pytest.approx(1 - 1 / 2, abs=1e-6)  # empty: 1 - 1/2
    assert mask_consistency(full, half, 0.65, of_peak=True).item() == pytest.approx(0, abs=1e-6)


def test_no_gradient_flows_into_the_target():
    torch.manual_seed(0)
    predicted, target = (torch.randn(2, 3, 5, requires_grad=True) for _ in range(2))
    mask_consistency(predicted, target, 0.5).backward()
    assert target.grad is None
    check_slope(lambda: mask_consistency(predicted, target, 0.5), predicted)
    assert mask_consistency(predicted[:0], target[:0], 0.5).item() == 0


def test_the_groups_nearest_an_entity():
    groups = torch.tensor([[[1.0, 0], [0, 1], [3, 3], [-1, 0]]])  # cosines with (1, 0): 1, 0, 0.7, -1
    assert nearest_groups(groups, torch.tensor([[5.0, 0]]), 0.5).tolist() == [[0, 2]]
    assert nearest_groups(groups, torch.tensor([[5.0, 0]]), 0.1).tolist() == [[0]]


def test_multi_label_contrast_by_hand():
    """Two images with two texts and one; all logits are 0 or 1 / tau = ln 3."""
    images = torch.eye(2)
    texts = torch.stack([torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[0, 1.0], [1, 0]])])
    has = torch.tensor([[True, True], [True, False]])
    tau = torch.tensor(1 / math.log(3))
    # image 1: exp logits of the three texts 3, 3, 1 -> both its texts log 7/3; image 2: 1, 1, 3 -> log 5/3
    # texts: 1 and 2: 3 of 3 + 1 -> log 4/3; text 3: 3 of 1 + 3 -> log 4/3
    value = ((math.log(7 / 3) + math.log(5 / 3)) / 2 + math.log(4 / 3)) / 2
    assert multi_label_contrast(images, texts, has, tau).item() == pytest.approx(value, rel=1e-5)
    # text 3 is true of image 1 as well: 3, 3 -> log 2 for it; as a text, text 3 keeps image 2 alone -> 0
    same = torch.zeros(2, 2, 2, dtype=torch.bool)
    same[0, 1, 0] = True
    value = ((math.log(2) + math.log(5 / 3)) / 2 + 2 * math.log(4 / 3) / 3) / 2
    assert multi_label_contrast(images, texts, has, tau, same).item() == pytest.approx(value, rel=1e-5)
    none = multi_label_contrast(images, texts, torch.zeros_like(has), tau)
    assert none.item() == 0


def test_multi_label_slope():
    torch.manual_seed(0)
    images, texts = torch.randn(3, 4, requires_grad=True), torch.randn(3, 2, 4)
    has = torch.tensor([[True, True], [True, False], [False, False]])
    check_slope(lambda: multi_label_contrast(images, texts, has, torch.tensor(0.5)), images)
