import math
from itertools import permutations

import pytest
import torch
import torchvision
from slopes import check_slope

from ovseg_core.losses.dice import dice
from ovseg_core.losses.mask_matching import focal, matched_masks


def logit(p):
    return math.log(p / (1 - p))


def test_focal_loss_by_hand():
    logits = torch.tensor([[[[logit(0.9), logit(0.2)]]]])
    truth = torch.tensor([[[[True, False]], [[False, True]]]])
    # alpha 0.25 where it is on, 0.75 where it is off, the square of the error, and -log of what is right
    right = (0.25 * 0.01 * -math.log(0.9) + 0.75 * 0.04 * -math.log(0.8)) / 2
    wrong = (0.75 * 0.81 * -math.log(0.1) + 0.25 * 0.64 * -math.log(0.2)) / 2
    assert focal(logits, truth)[0, 0].tolist() == pytest.approx([right, wrong])


def test_focal_loss_is_torchvisions():
    logits = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    truth = torch.rand(2, 2, 5, 4, generator=torch.Generator().manual_seed(1)) > 0.5
    for n in range(3):
        for m in range(2):
            theirs = torchvision.ops.sigmoid_focal_loss(logits[:, n], truth[:, m].float(), reduction="none")
            torch.testing.assert_close(focal(logits, truth)[:, n, m], theirs.mean((1, 2)))


def test_the_matching_is_the_best_of_all():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 4, 6, 6, generator=generator)
    truth = torch.rand(2, 3, 6, 6, generator=generator) > 0.6
    cost = 20 * focal(logits, truth) + 2 * (1 - dice(logits.sigmoid(), truth))
    best = [min(sum(c[p[m], m] for m in range(3)) for p in permutations(range(4), 3)) for c in cost]
    found = matched_masks(logits, truth, torch.tensor([3, 3]), 20.0, 2.0)
    assert found == pytest.approx(float(sum(best)) / 6, rel=1e-5)


def test_padding_is_no_mask_and_takes_no_prediction():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 2, 6, 6, generator=generator)
    truth = torch.rand(2, 3, 6, 6, generator=generator) > 0.6
    truth[0, 1:], truth[1] = False, False
    alone = matched_masks(logits[:1], truth[:1, :1], torch.tensor([1]), 20.0, 2.0)
    assert matched_masks(logits, truth, torch.tensor([1, 0]), 20.0, 2.0) == pytest.approx(float(alone))


def test_predictions_without_a_partner_are_free():
    truth = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    truth[..., 0] = True
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1] = torch.tensor([[4.0, -4.0], [4.0, -4.0]])  # the better one
    logits.requires_grad_()
    matched_masks(logits, truth, torch.tensor([1]), 1.0, 1.0).backward()
    assert logits.grad[0, 0].abs().sum() == 0
    assert logits.grad[0, 1].abs().sum() > 0


def test_more_masks_than_predictions_match_the_cheapest():
    truth = torch.eye(3, dtype=torch.bool)[None, :, None]  # three masks of a pixel each
    logits = 20 * (2 * torch.eye(3)[None, 1:2, None] - 1)  # one prediction, of the second
    assert matched_masks(logits, truth, torch.tensor([3]), 1.0, 1.0) == pytest.approx(0, abs=1e-5)


def test_no_masks_give_no_loss_and_zero_gradients():
    for truth in (torch.zeros(2, 0, 4, 4, dtype=torch.bool), torch.zeros(2, 2, 4, 4, dtype=torch.bool)):
        logits = torch.randn(2, 3, 4, 4, requires_grad=True)
        loss = matched_masks(logits, truth, torch.tensor([0, 0]), 20.0, 1.0)
        loss.backward()
        assert loss == 0
        assert not logits.grad.any()


def test_the_slope_is_that_of_the_value():
    truth = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(1)) > 0.5
    logits = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    check_slope(lambda: matched_masks(logits, truth, torch.tensor([2, 1]), 20.0, 1.0), logits)


def test_what_is_not_a_number_is_left_to_the_loop_to_report():
    logits, truth = torch.full((1, 2, 2, 2), torch.nan), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    assert matched_masks(logits, truth, torch.tensor([1]), 20.0, 1.0).isnan()
