"""Boxes, suppression, selection, resizing."""

import numpy as np

from ovseg_core.masks import boxes, rle
from ovseg_core.masks.nms import select, suppress
from ovseg_core.masks.resize import resize
from ovseg_core.records import MaskSet


def row(*columns, width=10):
    """A 1 x width mask, on in these columns."""
    mask = np.zeros((1, width), bool)
    mask[0, list(columns)] = True
    return mask


ROWS = np.stack([row(0, 1, 2, 3), row(0, 1, 2, 3, 4), row(6, 7), row()])


def test_boxes_are_xyxy_with_the_corner_outside():
    mask = np.zeros((2, 5, 6), bool)
    mask[0, 1:4, 2:6] = True
    assert boxes.from_masks(mask).tolist() == [[2, 1, 6, 4], [0, 0, 0, 0]]


def test_the_better_of_two_overlapping_masks_survives():
    # the first two rows share 4 of 5 pixels: IoU 0.8
    encoded, scores = rle.encode(ROWS[:3]), np.array([0.6, 0.9, 0.7])
    assert suppress(encoded, scores, 0.79).tolist() == [1, 2]
    assert suppress(encoded, scores, 0.8).tolist() == [1, 2, 0]
    assert suppress(encoded, scores, 0.8, most=2).tolist() == [1, 2]


def test_equal_scores_keep_their_order():
    encoded = rle.encode(ROWS[[0, 0, 2]])
    assert suppress(encoded, np.full(3, 0.5), 0.5).tolist() == [0, 2]


def test_selection_drops_low_scores_empty_masks_and_all_but_the_best():
    masks = MaskSet(masks=rle.encode(ROWS), scores=np.array([0.6, 0.4, 0.7, 0.99], np.float32))
    assert (select(masks, 0.5, 0.7, 8) == ROWS[[2, 0]]).all()
    assert (select(masks, 0.5, 0.7, 1) == ROWS[[2]]).all()
    assert (select(masks, 0.3, 0.7, 8) == ROWS[[2, 0]]).all()  # 0.4 overlaps 0.6 by 0.8
    assert len(select(masks, 0.995, 0.7, 8)) == 0


def test_resize_keeps_cells_that_are_at_least_half_on():
    mask = np.zeros((1, 4, 4), bool)
    mask[0, :2, :2] = True  # the whole first cell
    mask[0, 0, 2:] = True  # half of the second
    mask[0, 3, 0] = True  # a quarter of the third
    assert resize(mask, 2, 2).tolist() == [[[True, True], [False, False]]]
    assert resize(mask, 4, 4) is mask
    assert resize(mask[:0], 2, 2).shape == (0, 2, 2)
