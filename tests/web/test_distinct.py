import numpy as np

from ovseg_core.web.distinct import Distinct


def test_a_row_is_new_once():
    seen = Distinct()
    assert seen.first_seen(["a", "b", "a"]).tolist() == [True, True, False]
    assert seen.first_seen(["b", "c"]).tolist() == [False, True]
    assert seen.first_seen([]).tolist() == []
    assert seen.first_seen(["a", "c", "d"]).tolist() == [False, False, True]


def test_many_batches_agree_with_a_set():
    rng = np.random.default_rng(0)
    seen, reference = Distinct(), set()
    for _ in range(40):
        rows = [str(n) for n in rng.integers(0, 3000, 200)]
        new = seen.first_seen(rows)
        for row, is_new in zip(rows, new, strict=True):
            assert is_new == (row not in reference)
            reference.add(row)
    assert sum(map(len, seen.runs)) == len(reference)
    assert len(seen.runs) < 12  # runs merge, so their number grows with the logarithm
