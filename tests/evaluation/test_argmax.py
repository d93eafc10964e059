"""The best class of every pixel, beside the plain way: upsample everything, then argmax."""

import pytest
import torch
import torch.nn.functional as F

from ovseg_core.evaluation import argmax
from ovseg_core.evaluation.argmax import best_class

SIZES = [
    (5, 4, 6, (16, 24)),
    (21, 16, 16, (61, 47)),
    (40, 30, 20, (240, 160)),
    (70, 8, 8, (64, 64)),
    (7, 9, 9, (5, 4)),  # smaller than the map
    (4, 6, 6, (6, 6)),
    (3, 1, 1, (4, 4)),
    (3, 1, 5, (4, 11)),
    (1, 3, 3, (9, 9)),
]


def plain(scores, size):
    best, classes = F.interpolate(scores[None], size, mode="bilinear", align_corners=False)[0].max(0)
    return classes, best


@pytest.mark.parametrize(("count", "height", "width", "size"), SIZES)
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("limits", [{"FEW": 1}, {"FEW": 2}, {}, {"SMALL": 0}])
def test_it_is_the_argmax_of_the_upsampled_scores(monkeypatch, count, height, width, size, smooth, limits):
    for name, value in limits.items():
        monkeypatch.setattr(argmax, name, value)
    torch.manual_seed(count)
    scores = torch.randn(count, height, width)
    if smooth:
        scores = F.avg_pool2d(scores[None], 3, 1, 1)[0]
    expected, highest = plain(scores, size)
    classes, best = best_class(scores, size)
    assert torch.equal(classes, expected)
    assert torch.allclose(best, highest, atol=1e-5)


@pytest.mark.parametrize("few", [2, 32])
def test_a_class_that_is_second_everywhere_may_win_between(monkeypatch, few):
    monkeypatch.setattr(argmax, "FEW", few)
    scores = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.7, 0.7]]])
    classes, best = best_class(scores, (1, 8))
    assert classes.tolist() == [[0, 0, 0, 2, 2, 1, 1, 1]]
    assert best[0, 3] == pytest.approx(0.7)


def test_the_lowest_of_equals_wins_also_across_groups_of_planes():
    scores = torch.zeros(80, 2, 2)
    scores[[40, 70], 0, 0] = 1
    assert best_class(scores, (2, 2))[0].tolist() == [[40, 0], [0, 0]]
    assert best_class(torch.zeros(80, 2, 2), (6, 6))[0].unique().tolist() == [0]


def test_small_blocks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    scores = torch.randn(30, 12, 12)
    classes, best = best_class(scores, (50, 50))  # upsampled whole
    for name, value in {"SMALL": 0, "PAIRS": 50, "BLOCK": 5}.items():
        monkeypatch.setattr(argmax, name, value)
    found, highest = best_class(scores, (50, 50))
    assert torch.equal(found, classes)
    assert torch.allclose(highest, best, atol=1e-5)
    monkeypatch.setattr(argmax, "MANY", 20)
    monkeypatch.setattr(argmax, "BLOCK_OF_MANY", 3)
    assert torch.equal(best_class(scores, (50, 50))[0], classes)
