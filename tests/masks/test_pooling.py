"""Region features, grids and clusters."""

import pytest
import torch

from ovseg_core.masks.clustering import grid_regions, kmeans_regions
from ovseg_core.masks.pooling import match_size, pool


def test_pooling_is_the_mean_under_the_mask():
    features = torch.tensor([[[[1.0, 2.0, 6.0]], [[0.0, 4.0, 8.0]]]])  # (1, 2, 1, 3)
    masks = torch.tensor([[[[1.0, 1.0, 0.0]], [[0.0, 0.25, 0.75]], [[0.0, 0.0, 0.0]]]])
    # [(1 + 2) / 2, (0 + 4) / 2]; [2 / 4 + 6 * 3 / 4, 1 + 6]; an empty mask
    assert pool(features, masks)[0].tolist() == [[1.5, 2.0], [5.0, 7.0], [0.0, 0.0]]


def test_shrinking_masks_gives_shares_and_growing_interpolates():
    mask = torch.tensor([[[[True, True, True, False]]]])
    assert match_size(mask, torch.zeros(1, 3, 1, 2)).tolist() == [[[[1.0, 0.5]]]]
    assert match_size(mask.float(), torch.zeros(1, 3, 2, 8)).shape == (1, 1, 2, 8)
    assert match_size(mask, torch.zeros(1, 3, 1, 4)).tolist() == [[[[1.0, 1.0, 1.0, 0.0]]]]


@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 5)])
def test_a_grid_covers_every_location_once(height, width):
    regions = grid_regions(2, 3, height, width, torch.device("cpu"))
    assert regions.shape == (2, 9, height, width)
    assert (regions.sum(1) == 1).all()
    assert regions[0, 0, 0, 0] == 1
    assert regions[0, 8, -1, -1] == 1


def test_kmeans_finds_plain_segments_whatever_the_batch():
    truth = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2]])
    directions = torch.eye(3)
    noise = 0.1 * torch.randn(2, 3, 3, 4, generator=torch.Generator().manual_seed(0))
    features = directions[truth].permute(2, 0, 1)[None] + noise
    regions = kmeans_regions(features, 3)
    assert (regions.sum(1) == 1).all()
    for image in regions:
        found = {tuple(region.flatten().tolist()) for region in image}
        assert found == {tuple((truth == k).float().flatten().tolist()) for k in range(3)}
    alone = kmeans_regions(features[1:], 3)
    assert torch.equal(alone, regions[1:])
