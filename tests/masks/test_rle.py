import numpy as np
import pytest

from ovseg_core.masks import rle
from ovseg_core.records import BadSample, Rle

MASKS = np.array([[[0, 1, 1], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 1]]], bool)


def test_round_trip_keeps_every_pixel():
    masks = np.random.default_rng(0).random((7, 33, 21)) > 0.6
    assert (rle.decode(rle.encode(masks)) == masks).all()


def test_counts_are_text_and_run_down_the_columns():
    # columns of the first mask: 00 11 10 -> runs 2 off, 3 on, 1 off; COCO writes small counts as chr(48 + n)
    first = rle.encode(MASKS)[0]
    assert first == {"size": [2, 3], "counts": "231"}


def test_no_masks_encode_and_decode_to_none():
    assert rle.encode(np.zeros((0, 4, 4), bool)) == []
    assert len(rle.decode([])) == 0


def test_area_and_iou_match_values_worked_out_by_hand():
    encoded = rle.encode(MASKS)
    assert rle.area(encoded).tolist() == [3, 0, 6]
    assert rle.area(encoded * 200).tolist() == [3, 0, 6] * 200  # more masks than fit in a byte
    # first with last: 3 common pixels of 6
    assert rle.iou(encoded[:1], encoded[2:]) == pytest.approx(np.array([[0.5]]))
    assert rle.iou([], encoded).shape == (0, 3)


def test_boxes_are_xyxy_with_the_lower_right_corner_outside():
    # the first mask covers columns 1-2 and rows 0-1
    assert rle.boxes(rle.encode(MASKS)).tolist() == [[1, 0, 3, 2], [0, 0, 0, 0], [0, 0, 3, 2]]
    assert rle.boxes([]).shape == (0, 4)


@pytest.mark.parametrize("counts", ["", "23", "29999", "231231", "0P`", "23\ud800"])
def test_runs_that_do_not_fill_the_mask_are_refused(counts):
    with pytest.raises(BadSample, match="broken_mask"):
        rle.decode([Rle(size=[2, 3], counts=counts)])


def test_masks_of_two_sizes_in_one_image_are_refused():
    two = [rle.encode(MASKS)[0], rle.encode(np.ones((1, 3, 3), bool))[0]]
    with pytest.raises(BadSample, match=r"broken_mask.*\[3, 3\]"):
        rle.decode(two)
