"""The three ways to average IoU, each beside the library or the formula that it is named after."""

import numpy as np
import pytest
import torch
from torchmetrics.segmentation import MeanIoU as TorchMeanIoU

from ovseg_core.metrics.iou import CONVENTIONS, MeanIoU
from ovseg_core.metrics.per_image import PerImageIoU

CLASSES = 6
# two images of four pixels; class 2 is predicted and never true
TRUTHS = [np.array([[0, 0, 0, 0]]), np.array([[1, 1, 1, 1]])]
GUESSES = [np.array([[0, 0, 0, 2]]), np.array([[1, 1, 1, 1]])]
# class 0 3/4, class 1 4/4, class 2 0: mmseg (3/4 + 1 + 0)/3, detectron2 without class 2; torchmetrics
# averages the pairs (image 0, class 0) 3/4, (image 0, class 2) 0, (image 1, class 1) 1
BY_HAND = {"mmseg": 7 / 12, "detectron2": 7 / 8, "torchmetrics": 7 / 12}


def maps(seed, number=7, void=True):
    """Images of two sizes in which some classes are missing and one is never true."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        size = (9, 11) if index % 2 else (8, 6)
        truth = rng.choice([0, 1, 3, 4], size, p=[0.6, 0.2, 0.15, 0.05])
        guess = np.where(rng.random(size) < 0.6, truth, rng.integers(0, 3 + index % 4, size))
        yield guess, np.where(rng.random(size) < 0.1, 255, truth) if void else truth


def per_image(images, num_classes=CLASSES):
    metric = PerImageIoU(num_classes)
    for number, (guess, truth) in enumerate(images):
        metric.update(f"image{number}", guess, truth)
    return metric


def areas(images):
    """As mmsegmentation counts (`IoUMetric.intersect_and_union`): histograms without void."""
    total = np.zeros((3, CLASSES))
    for guess, truth in images:
        guess, truth = (torch.from_numpy(part[truth != 255]) for part in (guess, truth))
        for row, labels in zip(total, (guess[guess == truth], guess, truth), strict=True):
            row += torch.histc(labels.float(), bins=CLASSES, min=0, max=CLASSES - 1).numpy()
    return total


def mmsegmentation(images):
    """`IoUMetric.total_area_to_metrics`: plain ratios, whose mean leaves out what is not a number."""
    hits, predicted, true = areas(images)
    with np.errstate(invalid="ignore"):
        iou, accuracy = hits / (predicted + true - hits), hits / true
    return {"miou": np.nanmean(iou), "macc": np.nanmean(accuracy), "aacc": hits.sum() / true.sum()}


def detectron2(images):
    """`SemSegEvaluator.evaluate`: only classes with true pixels enter the means."""
    matrix = np.zeros((CLASSES + 1, CLASSES + 1), np.int64)
    for guess, truth in images:
        truth = np.where(truth == 255, CLASSES, truth)
        matrix += np.bincount((CLASSES + 1) * guess.ravel() + truth.ravel(), minlength=matrix.size).reshape(
            matrix.shape
        )
    hits, true = matrix.diagonal()[:-1], matrix[:-1, :-1].sum(0)
    valid = true > 0
    union = true + matrix[:-1, :-1].sum(1) - hits
    return {
        "miou": (hits[valid] / union[valid]).mean(),
        "macc": (hits[valid] / true[valid]).mean(),
        "aacc": hits.sum() / true.sum(),
    }


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_matches_the_value_worked_out_by_hand(convention):
    images = list(zip(GUESSES, TRUTHS, strict=True))
    assert per_image(images).compute(convention)["miou"] == pytest.approx(BY_HAND[convention])
    if convention != "torchmetrics":
        metric = MeanIoU(CLASSES, convention=convention)
        for image in images:
            metric.update(*image)
        assert metric.compute()["miou"] == pytest.approx(BY_HAND[convention])


@pytest.mark.parametrize("convention", ["mmseg", "detectron2"])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_published_formula(convention, seed):
    images = list(maps(seed))
    expected = {"mmseg": mmsegmentation, "detectron2": detectron2}[convention](images)
    metric = MeanIoU(CLASSES, convention=convention)
    for image in images:
        metric.update(*image)
    found = metric.compute()
    found.pop("iou")
    assert found == pytest.approx(expected, abs=1e-12)
    assert per_image(images).compute(convention) == pytest.approx(expected, abs=1e-12)
    assert mmsegmentation(images)["miou"] != pytest.approx(detectron2(images)["miou"])


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torchmetrics(seed):
    images = list(maps(seed, void=False))  # its class maps know no void
    reference = TorchMeanIoU(CLASSES, input_format="index")
    for guess, truth in images:
        reference.update(torch.from_numpy(guess)[None], torch.from_numpy(truth)[None])
    found = per_image(images).compute("torchmetrics")["miou"]
    assert found == pytest.approx(float(reference.compute()), abs=1e-6)  # it adds in float32


def test_torchmetrics_counts_a_class_of_many_images_more_often():
    images = [(np.array([[0, 1]]), np.array([[0, 1]])), (np.array([[2, 2]]), np.array([[0, 2]]))]
    # pairs: 1, 1, then class 0 0/1 and class 2 1/2 -> 2.5/4; over the data set 1/2, 1, 1/2 -> 2/3
    assert per_image(images).compute("torchmetrics")["miou"] == pytest.approx(5 / 8)
    assert per_image(images).compute("mmseg")["miou"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_workers_in_any_order_make_the_very_same_number(convention):
    images = [(f"image{number}", *image) for number, image in enumerate(maps(3, number=40))]
    whole, parts = PerImageIoU(CLASSES), [PerImageIoU(CLASSES) for _ in range(3)]
    for number, image in enumerate(images):
        whole.update(*image)
        parts[number % 3].update(*image)
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    assert parts[2].compute(convention) == whole.compute(convention)  # to the last bit


def test_unseen_classes_alone():
    images = list(zip(GUESSES, TRUTHS, strict=True))
    assert per_image(images).compute("mmseg", classes=[1, 2])["miou"] == pytest.approx(1 / 2)
    assert per_image(images).compute("detectron2", classes=[1, 2])["miou"] == 1.0
    assert per_image(images).compute("torchmetrics", classes=[0])["miou"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_class_alone_is_the_mean_over_it(convention):
    counted = per_image(maps(1))
    expected = {index: counted.compute(convention, [index])["miou"] for index in range(CLASSES)}
    found = counted.per_class(convention)
    assert found == pytest.approx({index: value for index, value in expected.items() if not np.isnan(value)})
    assert (2 in found) == (convention != "detectron2")


def test_nothing_is_not_a_number(recwarn):
    for convention in CONVENTIONS:
        assert np.isnan(list(PerImageIoU(3).compute(convention).values())).all()
    assert not recwarn


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"convention is 'sklearn'; known are mmseg, detectron2, torchmetrics"
    ):
        MeanIoU(3, convention="sklearn")
    with pytest.raises(ValueError, match="take PerImageIoU"):
        MeanIoU(3, convention="torchmetrics")
    metric = per_image(zip(GUESSES, TRUTHS, strict=True))
    with pytest.raises(ValueError, match="image 'image0' comes twice"):
        metric.update("image0", GUESSES[0], TRUTHS[0])
    with pytest.raises(ValueError, match="'image0' comes from two workers, as do 1 more"):
        metric.merge(per_image(zip(GUESSES, TRUTHS, strict=True)))
