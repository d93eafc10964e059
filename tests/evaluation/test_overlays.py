import io

import numpy as np
import pytest
from PIL import Image

from ovseg_core.benchmarks.benchmark import VOID
from ovseg_core.evaluation import overlays

LABELS = np.array([[0, 0, 1], [0, VOID, 1]], np.uint16)
GREY = np.full((2, 3, 3), 100, np.uint8)


def opened(content):
    return Image.open(io.BytesIO(content))


def test_colours_differ_and_do_not_depend_on_how_many_there_are():
    many = overlays.palette(133).astype(int)
    assert np.array_equal(many[:24], overlays.palette(24))
    apart = np.abs(many[:24, None] - many[None, :24]).max(-1)
    assert apart[~np.eye(24, dtype=bool)].min() > 40  # of 255, in the channel that differs most
    assert len(np.unique(overlays.palette(847), axis=0)) == 847


def test_a_class_is_drawn_in_its_colour_and_void_is_left_as_it_is():
    flat = np.zeros((4, 4), np.uint16)
    colours = np.array([[200, 0, 0], [0, 0, 200]], np.uint8)
    pinkish = np.tile(np.array([150, 80, 70], np.uint8), (4, 4, 1))
    drawn = overlays.overlay(pinkish, flat, colours)
    # the image counts as its grey, 100: 0.62 x 200 + 0.38 x 100 = 162; 0.38 x 100 = 38
    assert drawn[1, 1].tolist() == [162, 38, 38]
    flat[2:] = VOID
    drawn = overlays.overlay(pinkish, flat, colours)
    assert drawn[3, 1].tolist() == [150, 80, 70]
    assert drawn[2, 1].tolist() == [52, 28, 24]  # the line between two classes: 35 %


def test_a_class_map_survives_its_png():
    colours = overlays.palette(2)
    image = opened(overlays.class_map_png(LABELS, colours))
    assert image.mode == "P"
    assert np.asarray(image).tolist() == [[0, 0, 1], [0, 255, 1]]
    assert image.getpalette()[:6] == colours.flatten().tolist()


def test_more_than_255_classes_are_not_cut_to_8_bits():
    labels = np.array([[0, 300], [255, 299]], np.uint16)
    image = opened(overlays.class_map_png(labels, overlays.palette(301)))
    assert np.asarray(image).tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((10, 20), (50, 100)), ((60, 80), (60, 80)), ((200, 400), (60, 120)), ((10, 1000), (1, 120))],
)
def test_small_maps_are_enlarged_and_large_ones_shrunk_without_new_labels(size, expected):
    labels = np.zeros(size, np.uint16)
    labels[size[0] // 2 :] = VOID
    picture, resized = overlays.fit(np.zeros((*size, 3), np.uint8), labels, 50, 120)
    assert picture.shape == (*expected, 3)
    assert resized.shape == expected
    assert set(np.unique(resized)) <= {0, VOID}


def test_the_legend_shows_every_name_beside_the_picture():
    entries = [("dog", np.array([255, 0, 0])), ("très long nom de classe", np.array([0, 0, 255]))]
    panel = overlays.with_legend(np.repeat(GREY, 40, 0), entries)
    assert panel.shape[1] > 3 + 150
    assert np.array_equal(panel[:80, :3], np.repeat(GREY, 40, 0))
    reds, blues = (panel[:, 3:] == [255, 0, 0]).all(-1), (panel[:, 3:] == [0, 0, 255]).all(-1)
    assert reds.sum() == blues.sum() > 100
    assert np.argwhere(reds)[:, 0].max() < np.argwhere(blues)[:, 0].min()
    assert np.array_equal(panel, overlays.with_legend(np.repeat(GREY, 40, 0), entries))


def test_a_long_legend_makes_room_below_a_small_picture():
    entries = [(f"name {i}", np.array([i, 0, 0])) for i in range(20)]
    assert overlays.with_legend(GREY, entries).shape[0] >= 20 * overlays.ROW
