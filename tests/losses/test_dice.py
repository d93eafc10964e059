import pytest
import torch
from slopes import check_slope

from ovseg_core.losses.dice import best_match_dice, dice, iou, mask_quality

BIG = 30.0  # a logit whose sigmoid is 1 to float precision


def test_dice_and_iou_match_values_worked_out_by_hand():
    predicted = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]], [[0.5, 0.5, 0.5, 0.5]]]])
    truth = torch.tensor([[[[True, False, False, False]]]])
    # 2 * 1 / (2 + 1) and 2 * 0.5 / (2 + 1); one pixel of smoothing above and below: 3 / 4 and 2 / 4
    assert dice(predicted, truth, smooth=0.0)[0, :, 0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert dice(predicted, truth)[0, :, 0].tolist() == pytest.approx([3 / 4, 2 / 4])
    assert iou(predicted[:, :1] > 0, truth)[0, 0, 0] == pytest.approx(1 / 2)


def test_every_true_mask_counts_its_best_prediction():
    logits = BIG * torch.tensor([[[[1.0, 1, -1, -1]], [[-1, -1, 1, 1]], [[1, 1, 1, 1]]]])
    truth = torch.tensor([[[[1, 1, 0, 0]], [[0, 0, 0, 1]], [[0, 0, 0, 0]]]], dtype=torch.bool)
    # first: its twin, Dice 1. Second: the middle one, (2 * 1 + 1) / (2 + 1 + 1) = 3/4. The third is padding.
    loss = best_match_dice(logits, truth, torch.tensor([2]))
    assert loss == pytest.approx((0 + 1 / 4) / 2)


def test_images_without_masks_do_not_count():
    logits = BIG * torch.tensor([[[[1.0, -1]]], [[[1.0, -1]]]])
    truth = torch.tensor([[[[0, 1]]], [[[0, 0]]]], dtype=torch.bool)
    alone = best_match_dice(logits[:1], truth[:1], torch.tensor([1]))
    assert best_match_dice(logits, truth, torch.tensor([1, 0])) == pytest.approx(float(alone))
    nothing = best_match_dice(logits.requires_grad_(), truth, torch.tensor([0, 0]))
    nothing.backward()
    assert nothing == 0
    assert best_match_dice(logits, truth[:, :0], torch.tensor([0, 0])) == 0


def test_unmatched_predictions_are_free():
    logits = torch.tensor([[[[4.0, -4]], [[-4.0, -4]]]], requires_grad=True)
    best_match_dice(logits, torch.tensor([[[[True, False]]]]), torch.tensor([1])).backward()
    assert (logits.grad[0, 0] != 0).all()
    assert (logits.grad[0, 1] == 0).all()


def test_gradient_is_the_slope():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 2, 2, generator=generator).double().requires_grad_()
    truth = torch.rand(2, 2, 4, 4, generator=generator) > 0.5  # finer than the logits: they are resized
    check_slope(lambda: best_match_dice(logits, truth, torch.tensor([2, 1])), logits)


def test_quality_is_regressed_on_the_best_iou_of_labelled_images():
    logits = BIG * torch.tensor([[[[1.0, 1, -1, -1]], [[-1, -1, -1, 1]]], [[[1.0, 1, 1, 1]], [[1, 1, 1, 1]]]])
    truth = torch.tensor([[[[1, 0, 0, 0]]], [[[0, 0, 0, 0]]]], dtype=torch.bool)
    quality = torch.tensor([[0.5, 0.4], [0.9, 0.9]])
    # IoU of the first image: 1/2 and 0 -> errors 0 and 0.16; the second image has no masks
    assert mask_quality(quality, logits, truth, torch.tensor([1, 0])) == pytest.approx(0.16 / 2)
