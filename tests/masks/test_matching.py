from itertools import permutations

import torch
from scipy.optimize import linear_sum_assignment

from ovseg_core.masks.matching import hungarian


def test_it_agrees_with_scipy_and_with_trying_all():
    torch.manual_seed(0)
    cost = torch.randn(5, 4, 4)
    rows, columns = hungarian(cost)
    for matrix, row, column in zip(cost, rows, columns, strict=True):
        theirs = linear_sum_assignment(matrix.numpy())
        assert (row.tolist(), column.tolist()) == (theirs[0].tolist(), theirs[1].tolist())
        best = min(sum(matrix[i, j].item() for i, j in enumerate(p)) for p in permutations(range(4)))
        torch.testing.assert_close(matrix[row, column].sum(), torch.tensor(best))


def test_sets_of_different_sizes_and_no_images():
    rows, columns = hungarian(torch.tensor([[[3.0, 1.0, 2.0], [1.0, 5.0, 9.0]]]))
    assert (rows.tolist(), columns.tolist()) == ([[0, 1]], [[1, 0]])
    assert hungarian(torch.zeros(0, 2, 2))[0].shape == (0, 2)
