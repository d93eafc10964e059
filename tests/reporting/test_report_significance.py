import numpy as np
import pyarrow as pa

from ovseg_core import shards
from ovseg_core.evaluation.results import PER_IMAGE
from ovseg_core.metrics.per_image import PerImageIoU
from ovseg_core.reporting import scores, significance
from ovseg_core.reporting.sources import Sources


def blocks(root, sweep):
    sources = Sources(str(root))
    return significance.section(sources, scores.load(sources, sweep), sweep).blocks


def rows_of(root, sweep, title="mIoU"):
    """The rows of one metric on the first benchmark."""
    found, current = {}, None
    for first, name, *cells in blocks(root, sweep)[1].rows:
        current = first.text or current
        found.setdefault(current, {})[name.text] = [cell.text for cell in cells]
    return found[title]


def test_a_table_says_who_is_above_whom(whole_project, sweep):
    found = rows_of(whole_project, sweep)
    # openseg: 6 or 7 of 10 right, 52 of 80 in a class -> 52 / (160 - 52)
    assert found["openseg"][0] == f"{100 * 52 / 108:.1f}"
    assert found["openseg"][2] == "openseg-no-proposals, clip_dense"
    assert found["clip_dense"][2] == "–"
    low, high = map(float, found["openseg"][1].split(" to "))
    assert low < 48.1 < high


def test_every_headline_that_has_counts_is_compared(whole_project, sweep):
    titles = [row[0].text for row in blocks(whole_project, sweep)[1].rows if row[0].text]
    assert titles == ["mIoU", "mIoU, things", "mIoU, stuff", "grounding mIoU"]
    assert rows_of(whole_project, sweep, "mIoU, things")["openseg"][0] == f"{100 * 52 / 108:.1f}"


def test_a_mean_over_some_classes_is_drawn_from_them_alone():
    counted = PerImageIoU(2)
    for image, hits in enumerate((1, 2, 3, 4)):
        counted.rows[f"i{image}"] = np.array([[0, hits, 5, 5], [1, 5, 5, 5]])
    (things,) = significance.draw_readings({"a": [counted]}, [0]).values()
    (stuff,) = significance.draw_readings({"a": [counted]}, [1]).values()
    assert (things.values[0, 0], stuff.values[0].min()) == (10 / 30, 1.0)
    assert significance.draw_readings({"a": [counted]}, []) == {}  # no such class


def test_a_recall_is_drawn_as_a_share_of_all_segments():
    counted = PerImageIoU(1)
    for image, covered, segments in (("a", 1, 2), ("b", 3, 3), ("c", 0, 0)):
        counted.add_share(image, covered, segments)
    (drawn,) = significance.draw_readings({"a": [counted]}).values()
    assert drawn.images == ["a", "b"]  # an image without segments says nothing
    assert set(np.round(drawn.values[0], 6)) == {0.8, 0.5, 1.0}  # 4 of 5; a twice; b twice


def test_an_oracle_is_not_compared(whole_project, sweep):
    found = rows_of(whole_project, sweep)
    assert found["openseg-true-masks †"][2] == "an oracle, not compared"
    assert not [row for row in found.values() if "true-masks" in row[2]]


def test_what_differs_by_luck_alone_is_not_above():
    rng = np.random.default_rng(0)
    counts = {name: [PerImageIoU(2)] for name in ("a", "b")}
    for (one,) in counts.values():
        for image in range(12):
            hits = int(rng.integers(3, 8))
            one.rows[f"i{image}"] = np.array([[0, hits, 10, 10], [1, hits, 10, 10]])
    drawn = significance.draw_readings(counts)
    assert drawn["a"].values[0, 0] != drawn["b"].values[0, 0]
    assert significance.who_is_above(drawn) == {"a": [], "b": []}


def test_a_large_sweep_names_the_few_that_are_missing():
    others = list("abcdefg")
    assert significance.in_words([], others) == "–"
    assert significance.in_words(["a", "b"], ["a", "b"]) == "a, b"
    assert significance.in_words(others[:4], others) == "a, b, c, d"
    assert significance.in_words(others[:5], others) == "all but f, g"
    assert significance.in_words(others, others) == "all others"


def test_the_caption_says_how_it_was_drawn(whole_project, sweep):
    caption = blocks(whole_project, sweep)[1].caption
    assert "over 8 images (2000 draws)" in caption
    assert "seeds drawn anew for each" in caption
    assert "no correction for their number" in caption
    assert "toy-test. Seeds 0, 1; benchmark data cdcdcdcdcdcd" in caption


def test_counts_of_other_images_are_not_compared(project, sweep):
    path = project / "reports/runs/clip_dense/1/toy-test/per_image.parquet"
    table = shards.read_table(path)
    shards.write_table(path, table.slice(2))
    block = blocks(project, sweep)[1]
    assert block.text.startswith("No comparison on toy-test: image 'i0' was not scored in all")


def test_an_evaluation_without_counts_is_left_out(project, sweep):
    for path in (project / "reports/runs").glob("*/*/toy-test/per_image.parquet"):
        path.unlink()
    assert blocks(project, sweep)[1].text == "No per_image.parquet for toy-test."
    shards.write_table(path, pa.table({name: [] for name in PER_IMAGE}))
    assert blocks(project, sweep)[1].text == "No per_image.parquet for toy-test."
