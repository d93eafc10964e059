import numpy as np

from ovseg_core.metrics.per_image import PerImageIoU, from_table, to_table


def counted():
    metric = PerImageIoU(4)
    metric.update("b", np.array([[0, 1, 1]]), np.array([[0, 1, 255]]))
    metric.update("a", np.array([[3, 3, 2]]), np.array([[3, 0, 0]]))
    metric.update("void", np.array([[1]]), np.array([[255]]))
    return metric


def test_rows_hold_the_classes_of_either_map():
    # class, hits, predicted, true
    assert counted().rows["a"].tolist() == [[0, 0, 0, 2], [2, 0, 1, 0], [3, 1, 2, 1]]
    assert counted().rows["b"].tolist() == [[0, 1, 1, 1], [1, 1, 1, 1]]


def test_a_table_holds_everything_in_the_order_of_the_images():
    table = to_table(counted())
    assert table["image"].to_pylist() == ["a", "a", "a", "b", "b"]
    back = from_table(table, 4)
    assert sorted(back.rows) == ["a", "b"]
    assert back.compute() == counted().compute()
    assert np.array_equal(back.stacked(), counted().stacked())


def test_an_empty_table_holds_nothing():
    assert from_table(to_table(PerImageIoU(4)), 4).rows == {}
