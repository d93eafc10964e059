"""The cells that words start from: of which images, in which order, with whose words."""

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import save_file

from ovseg_core.training.corpus import Stream
from ovseg_core.training.word_start import SIDE, cells


def test_cells_stand_beside_the_words_of_their_own_image(tmp_path):
    """Two shards whose rows are mixed in the corpus; one image could not be read."""
    maps = {name: torch.rand(3, 2, 2 * SIDE, SIDE + 3) for name in ("a", "b")}
    valid = {"a": torch.tensor([True, True, True]), "b": torch.tensor([True, False, True])}
    for name, level in maps.items():
        save_file({"level0": level.half(), "valid": valid[name]}, tmp_path / f"{name}.safetensors")
    places = [("b", 2), ("a", 1), ("b", 1), ("a", 0)]  # shard and row of each image of the corpus
    stream = Stream(
        labelled=False,
        keys=pa.array([f"{shard}{row}" for shard, row in places]),
        rows=np.array([row for _, row in places]),
        words=pa.array([["w"]] * 4),
        shards=["shards/a", "shards/b"],
        shard_of=np.array(["ab".index(shard) for shard, _ in places]),
    )
    found = {}
    for regions, said in cells(stream, str(tmp_path), [torch.tensor([number]) for number in range(4)]):
        found |= {ids.item(): cell for cell, ids in zip(regions, said, strict=True)}
    assert sorted(found) == [0, 1, 3]
    for number, cell in found.items():
        shard, row = places[number]
        assert cell.shape == (SIDE * SIDE, 2)
        corner = maps[shard][row][:, :2, :2].mean((1, 2))  # the first of 7 x 7 cells of a map of 14 x 10
        torch.testing.assert_close(cell[0], corner, atol=1e-3, rtol=1e-3)
