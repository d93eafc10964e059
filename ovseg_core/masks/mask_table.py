"""The masks of one shard as a table: what a labelling teacher writes, in the form of docs/contracts.md."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ovseg_core.masks import rle
from ovseg_core.records import MaskSet

HASH = b"ovseg.teacher"  # metadata: hash of the teacher's weights
MASK = pa.struct([("counts", pa.string()), ("score", pa.float32()), ("box", pa.list_(pa.float32()))])
SCHEMA = pa.schema([("key", pa.string()), ("size", pa.list_(pa.int32())), ("masks", pa.list_(MASK))])
NOTHING = ((0, 0), MaskSet(masks=[], scores=np.zeros(0, np.float32)))

Labelled = tuple[tuple[int, int], MaskSet]  # (H, W) of an image, and its masks


def mask_table(keys: Sequence[str], found: Mapping[str, Labelled], weights: str) -> pa.Table:
    """A row per key: `key, size, masks`; size [0, 0] and no masks for a key that is not in `found`.

    Built column by column: a dictionary per mask would cost as much as finding the masks of small images.
    """
    labelled = [found.get(key, NOTHING) for key in keys]
    masks = [mask for _, proposed in labelled for mask in proposed.masks]
    scores = [NOTHING[1].scores, *(proposed.scores for _, proposed in labelled)]
    columns = [
        pa.array([mask["counts"] for mask in masks], pa.string()),
        pa.array(np.concatenate(scores).astype(np.float32)),
        _lists(rle.boxes(masks).ravel(), np.full(len(masks), 4)),
    ]
    sizes = np.array([size for size, _ in labelled], np.int32).ravel()
    return pa.table(
        [
            pa.array(keys, pa.string()),
            _lists(sizes, np.full(len(keys), 2)),
            _lists(
                pa.StructArray.from_arrays(columns, fields=list(MASK)),
                np.array([len(proposed.masks) for _, proposed in labelled], int),
            ),
        ],
        schema=SCHEMA.with_metadata({HASH: weights.encode()}),
    )


def _lists(values: np.ndarray | pa.Array, lengths: np.ndarray) -> pa.Array:
    """Flat values cut into lists of the given lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
