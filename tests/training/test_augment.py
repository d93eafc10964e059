import numpy as np
import pytest
from training_sections import data_settings

from ovseg_core.masks.nms import select
from ovseg_core.records import MaskSet
from ovseg_core.training.augment import View, _reflect, draw_view, whole_view


def test_without_jitter_and_flip_a_fitting_image_stays_as_it_is():
    image = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    view = draw_view(
        8, 8, data_settings(size=8, scale_jitter=(1.0, 1.0), flip=False), np.random.default_rng(0)
    )
    assert (view.image(image) == image).all()


def test_a_mask_is_read_at_the_centre_of_each_cell():
    mask = np.zeros((1, 8, 8), bool)
    mask[0, 2, 6] = True  # the centre of cell (0, 1) of 4 x 4 pixels
    mask[0, 5, 1] = True  # lies in cell (1, 0), but not at its centre (6, 2)
    view = View(height=8, width=8, top=0, left=0, side=8, flipped=False)
    assert view.masks(mask, 4)[0].tolist() == [[False, True], [False, False]]


def test_an_image_without_masks_has_a_view_without_masks():
    view = View(height=8, width=8, top=0, left=0, side=8, flipped=False)
    nothing = select(MaskSet(masks=[], scores=np.zeros(0, np.float32)), 0.5, 0.7, 4)
    assert view.masks(nothing, 4).shape == (0, 2, 2)


def test_crop_flip_and_reflection_by_hand():
    row = np.array([10, 20, 30, 40], np.uint8)
    image = np.repeat(row[None, :, None], 3, axis=2).repeat(4, axis=0)  # (4, 4, 3)
    crop = View(height=4, width=4, top=0, left=1, side=2, flipped=False)
    assert crop.image(image)[0, :, 0].tolist() == [20, 30]
    flipped = View(height=4, width=4, top=0, left=1, side=2, flipped=True)
    assert flipped.image(image)[0, :, 0].tolist() == [30, 20]
    wide = View(height=4, width=4, top=-1, left=-2, side=8, flipped=False)
    assert wide.image(image)[0, :, 0].tolist() == [30, 20, 10, 20, 30, 40, 30, 20]


def test_reflection_folds_any_distance():
    assert _reflect(np.arange(-3, 7), 3).tolist() == [1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert _reflect(np.arange(-2, 3), 1).tolist() == [0] * 5


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 3), (5, 2)])
def test_a_view_inside_the_image_is_what_its_rows_and_columns_say(top, left, flipped):
    random = np.random.default_rng(0)
    image, masks = random.integers(0, 256, (13, 11, 3), np.uint8), random.random((2, 13, 11)) < 0.5
    view = View(height=13, width=11, top=top, left=left, side=8, flipped=flipped)
    assert view.inside
    assert (view.image(image) == image[view.rows[:, None], view.columns]).all()
    assert (view.masks(masks, 4) == masks[:, view.rows[2::4, None], view.columns[2::4]]).all()


@pytest.mark.parametrize("place", [{"top": -1}, {"left": -1}, {"top": 6}, {"left": 4}])
def test_a_view_that_leaves_the_image_at_any_side_is_reflected(place):
    image = np.random.default_rng(0).integers(0, 256, (13, 11, 3), np.uint8)
    view = View(**{"height": 13, "width": 11, "top": 0, "left": 0, "side": 8, "flipped": True, **place})
    assert not view.inside
    assert (view.image(image) == image[view.rows[:, None], view.columns]).all()
    masks = image.transpose(2, 0, 1) < 100
    assert (view.masks(masks, 4) == masks[:, view.rows[2::4, None], view.columns[2::4]]).all()


@pytest.mark.parametrize("seed", range(12))
def test_image_and_mask_show_the_same_view(seed):
    mask = np.zeros((40, 56), bool)
    mask[10:30, 20:44] = True
    image = np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    settings = data_settings(size=32, scale_jitter=(0.5, 2.0))
    view = draw_view(*mask.shape, settings, np.random.default_rng(seed))
    seen = view.image(image)
    assert seen.shape == (32, 32, 3)
    at_centres = seen[2::4, 2::4, 0] > 127
    # resampling blurs the edge, where one cell in a row may fall on either side
    assert (at_centres == view.masks(mask[None], 4)[0]).mean() > 0.9


def test_views_follow_from_the_generator():
    settings = data_settings(size=16)
    same = [draw_view(40, 30, settings, np.random.default_rng(3)) for _ in range(2)]
    other = {draw_view(40, 30, settings, np.random.default_rng(seed)) for seed in range(20)}
    assert same[0] == same[1]
    assert len(other) > 15
    assert {view.flipped for view in other} == {True, False}


def test_the_whole_view_squeezes_the_image_into_the_square():
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, :10] = 200
    view = whole_view(data_settings(size=8, flip=False), np.random.default_rng(0))
    assert (view.image(image)[:, :4] > 150).all()
    assert (view.image(image)[:, 4:] < 50).all()
