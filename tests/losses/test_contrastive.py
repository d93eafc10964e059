"""InfoNCE and per-pixel cross-entropy."""

import math

import pytest
import torch
from slopes import check_slope

from ovseg_core.losses.contrastive import info_nce
from ovseg_core.losses.pixels import UNKNOWN, label_map, pixel_cross_entropy

ONE = torch.tensor(1.0)


def test_info_nce_matches_the_value_worked_out_by_hand():
    images = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    # every cosine is 1 on the diagonal and 0 off it: log(1 + 1/e) in each direction
    assert info_nce(images, images, ONE) == pytest.approx(math.log(1 + math.exp(-1)))
    assert info_nce(images, images, torch.tensor(0.5)) == pytest.approx(math.log(1 + math.exp(-2)))


def test_unrelated_rows_cost_the_log_of_the_batch():
    same = torch.ones(4, 2)
    assert info_nce(same, same, ONE) == pytest.approx(math.log(4))


def test_pairs_that_belong_together_are_no_negatives():
    texts = torch.ones(3, 2)
    same = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    # rows 0 and 1 keep one negative each, row 2 keeps two
    expected = (2 * math.log(2) + math.log(3)) / 3
    assert info_nce(texts, texts, ONE, same) == pytest.approx(expected)


def test_label_map_takes_the_later_mask_and_leaves_unknown_classes_out():
    masks = torch.tensor([[[[1, 1, 0, 0]], [[0, 1, 1, 0]], [[0, 0, 1, 0]]]], dtype=torch.bool)
    labels = torch.tensor([[4, 2, UNKNOWN]])
    assert label_map(masks, labels).tolist() == [[[4, 2, 2, UNKNOWN]]]
    assert label_map(masks[:, :0], labels[:, :0]).tolist() == [[[UNKNOWN] * 4]]


def test_pixel_cross_entropy_reads_known_pixels_only():
    features = torch.tensor([[[[3.0, 0.0, 9.0]], [[0.0, 1.0, 9.0]]]])  # (1, 2, 1, 3)
    names = torch.eye(2)
    target = torch.tensor([[[0, 0, UNKNOWN]]])
    # first pixel: log(1 + e^-1); second: log(1 + e^1)
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    assert pixel_cross_entropy(features, names, target, ONE) == pytest.approx(expected)
    nothing = pixel_cross_entropy(features.requires_grad_(), names, torch.full((1, 1, 3), UNKNOWN), ONE)
    nothing.backward()
    assert nothing == 0


def test_gradients_are_slopes():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 4, generator=generator).double().requires_grad_()
    texts = torch.randn(3, 4, generator=generator).double().requires_grad_()
    tau = torch.tensor(0.5).double().requires_grad_()
    for variable in (images, texts, tau):
        check_slope(lambda: info_nce(images, texts, tau), variable)
    features = torch.randn(1, 4, 2, 2, generator=generator).double().requires_grad_()
    target = torch.tensor([[[0, 1], [2, UNKNOWN]]])
    for variable in (features, texts):
        check_slope(lambda: pixel_cross_entropy(features, texts, target, tau), variable)
