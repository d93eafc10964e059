"""Clusters to segments, on maps small enough to see."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from ovseg_core.masks.clustering import kmeans
from ovseg_core.masks.components import absorb_small, by_area, components, merge_near


def test_kmeans_of_points_on_a_line():
    points = torch.tensor([[[0.0], [1.0], [10.0], [12.0], [5.0]]])
    labels, centres = kmeans(points, 3)
    # farthest first from the mean 5.6: 12, then 0, then 5; the means of {10, 12}, {0, 1} and {5}
    assert centres[0, :, 0].tolist() == [11.0, 0.5, 5.0]
    assert labels.tolist() == [[1, 1, 0, 0, 2]]


def test_more_clusters_than_different_points_leave_some_empty():
    labels, centres = kmeans(torch.ones(2, 9, 4), 5)
    assert labels.tolist() == [[0] * 9] * 2
    assert torch.equal(centres, torch.ones(2, 5, 4))


def test_near_centres_are_joined_also_through_others():
    centres = torch.tensor([[[0.0], [9.0], [1.0], [2.0], [2.4]]])  # 0-2-3 in steps of 1; the last is empty
    labels = torch.tensor([[0, 1, 2, 3, 3]])
    merged, became = merge_near(labels, centres, 1.5)
    assert merged.tolist() == [[0, 1, 0, 0, 0]]
    assert became.tolist() == [[0, 1, 0, 0, -1]]
    assert merge_near(labels, centres, 0.0)[0].tolist() == labels.tolist()


def test_an_empty_cluster_joins_nothing():
    centres = torch.tensor([[[0.0], [1.0], [2.0]]])
    assert merge_near(torch.tensor([[0, 2]]), centres, 1.5)[0].tolist() == [[0, 2]]


def test_pieces_are_those_of_scipy():
    labels = torch.randint(0, 3, (4, 17, 13), generator=torch.Generator().manual_seed(0))
    labels[0] = 1
    labels[1, ::2], labels[1, 1::4, -1], labels[1, 3::4, 0] = 1, 1, 1  # one line that winds through the map
    labels[1, 1::2][labels[1, 1::2] == 1] = 0
    labels[1, 1::4, -1], labels[1, 3::4, 0] = 1, 1
    found = components(labels).numpy()
    for image, mine in zip(labels.numpy(), found, strict=True):
        theirs, count = np.zeros(image.shape, int), 0
        for value in range(3):
            numbers, more = ndimage.label(image == value)
            theirs[numbers > 0] = numbers[numbers > 0] + count
            count += more
        pairs = set(zip(theirs.ravel().tolist(), mine.ravel().tolist(), strict=True))
        assert len(pairs) == count == len(np.unique(mine))


def test_pieces_are_numbered_by_size():
    pieces = torch.tensor([[[3, 3, 4], [3, 5, 4]]])  # areas 3, 2, 1
    numbers, area = by_area(pieces)
    assert numbers.tolist() == [[[0, 0, 1], [0, 2, 1]]]
    assert area.tolist() == [[3, 2, 1, 0, 0, 0]]


def test_small_pieces_go_to_the_largest_neighbour():
    pieces = torch.tensor([[[0, 0, 0, 0], [2, 3, 1, 1], [2, 1, 1, 4]]])  # areas 4, 4, 2, 1, 1
    # below 2 of 12: piece 3 touches 0, 1 and 2, piece 4 touches 1
    assert absorb_small(pieces, 2 / 12).tolist() == [[[0, 0, 0, 0], [2, 0, 1, 1], [2, 1, 1, 1]]]
    assert absorb_small(pieces, 0.0).tolist() == pieces.tolist()
    assert not absorb_small(pieces, 0.99).any()  # the largest one stays, of equals the first


@pytest.mark.parametrize("value", [0, 2])
def test_a_plain_map_is_one_piece(value):
    pieces = by_area(components(torch.full((2, 5, 4), value)))[0]
    assert not absorb_small(pieces, 0.5).any()
