"""The ceiling of a teacher's masks, worked out by hand on two images of 2 x 4 pixels."""

import numpy as np
import pytest
from training_sections import data_settings

from ovseg_core import files
from ovseg_core.benchmarks.benchmark import VOID, Background, Benchmark
from ovseg_core.masks import rle
from ovseg_core.records import MaskSet
from ovseg_core.reporting import teachers
from ovseg_core.reporting.sources import Sources
from pipelines import oracle

TRUTH = {
    "a": [[0, 0, 1, 1], [0, 0, 1, VOID]],
    "b": [[2, 2, 2, 2], [2, 2, 1, 1]],
    "held": [[0, 0, 0, 0], [0, 0, 0, 0]],
}
MASKS = {  # left half; nothing above the threshold
    "a": ([[[1, 1, 0, 0], [1, 1, 0, 0]]], [0.9]),
    "b": ([[[0, 0, 0, 0], [0, 0, 1, 1]]], [0.1]),
}
SETTINGS = data_settings(min_score=0.5)


class Tiny(Benchmark):
    """A benchmark in memory."""

    def image(self, key):
        assert key != "held", "a held-out scene was looked at"
        return np.full((2, 4, 3), ord(key[0]), np.uint8)

    def truth(self, key, size=None):
        return np.array(TRUTH[key], np.uint16)


def benchmark(background=None):
    return Tiny(
        name="tiny", names=["sky", "dog", "cat"], kinds=["stuff", "thing", "thing"], background=background,
        held_out=frozenset({"held"}), subsets={}, protocol="", ids=["a", "held", "b"], source=None,
    )  # fmt: skip


def teacher(images, features=()):
    found = [MASKS[chr(image[0, 0, 0])] for image in images]
    return [
        MaskSet(rle.encode(np.array(masks, bool)), np.array(scores, np.float32)) for masks, scores in found
    ]


def test_masks_get_the_class_that_the_truth_says():
    found = oracle.score(teacher, benchmark(), SETTINGS, batch_size=1)
    # a: mask -> sky, rest -> dog, all right. b: no mask, so all of it is one: cat, 6 of 8 right.
    # IoU: sky 4/4, dog 3 of 3 + 2, cat 6 of 8
    assert found["oracle_miou"] == pytest.approx(100 * (1 + 3 / 5 + 6 / 8) / 3, abs=1e-3)
    # segments: a sky IoU 1, a dog 0 (the rest is no proposal), b cat 0 and dog 0
    assert found["mask_probe"] == pytest.approx(25)
    assert found["recall_50"] == 25
    assert found["masks"] == 0.5


def test_background_counts_by_its_own_rule():
    void = oracle.score(teacher, benchmark(Background(0)), SETTINGS, batch_size=2)
    # sky is void throughout: dog 3 of 5, cat 6 of 8
    assert void["oracle_miou"] == pytest.approx(100 * (3 / 5 + 6 / 8) / 2, abs=1e-3)
    named = oracle.score(teacher, benchmark(Background(0, ("sky",))), SETTINGS, batch_size=2)
    assert named["oracle_miou"] == pytest.approx(100 * (1 + 3 / 5 + 6 / 8) / 3, abs=1e-3)
    assert named["mask_probe"] == 0  # the background is no segment


def test_the_report_has_a_row_per_teacher_and_benchmark(tmp_path):
    assert teachers.table(Sources(str(tmp_path))) == []
    found = {"toy-val": {"oracle_miou": 78.11, "masks": 4.8}, "toy-test": {"oracle_miou": 77.0}}
    oracle.write(files.join(tmp_path, "reports/teachers/clusters.json"), found, {"kind": "kmeans"})
    (table,) = teachers.table(Sources(str(tmp_path)))
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts == [
        ["clusters", "kmeans", "toy-test", "77.0", "", "", "", ""],
        ["clusters", "kmeans", "toy-val", "78.1", "", "", "", "4.8"],
    ]
