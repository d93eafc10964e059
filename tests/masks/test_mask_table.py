import numpy as np

from ovseg_core.masks import rle
from ovseg_core.masks.mask_table import HASH, mask_table
from ovseg_core.records import MaskSet

SQUARE = np.zeros((3, 4), bool)
SQUARE[1:3, 0:2] = True  # rows 1-2, columns 0-1
EMPTY = np.zeros((3, 4), bool)


def test_a_row_per_key_with_sizes_scores_and_boxes():
    two = MaskSet(masks=rle.encode(np.stack([SQUARE, EMPTY])), scores=np.array([0.5, 0.25], np.float32))
    none = MaskSet(masks=[], scores=np.zeros(0, np.float32))
    table = mask_table(["a", "b", "c"], {"c": ((3, 4), two), "b": ((5, 6), none)}, "weights")
    assert table.schema.metadata == {HASH: b"weights"}
    counts = [two.masks[0]["counts"], two.masks[1]["counts"]]
    assert table.to_pylist() == [
        {"key": "a", "size": [0, 0], "masks": []},
        {"key": "b", "size": [5, 6], "masks": []},
        {
            "key": "c",
            "size": [3, 4],
            "masks": [
                {"counts": counts[0], "score": 0.5, "box": [0.0, 1.0, 2.0, 3.0]},
                {"counts": counts[1], "score": 0.25, "box": [0.0, 0.0, 0.0, 0.0]},
            ],
        },
    ]


def test_a_shard_without_rows_has_a_table_of_the_same_columns():
    assert mask_table([], {}, "").schema.equals(mask_table(["a"], {}, "").schema)
