"""Every number of a reading, on scenes small enough to count."""

import numpy as np
import pytest
import torch
from colour_world import ColourMethod, paint, settings, write_benchmark

from ovseg_core.benchmarks.folder import read
from ovseg_core.evaluation import evaluator
from ovseg_core.evaluation.evaluator import Evaluator, gallery_ids, plan
from ovseg_core.params import ParamError

NAMES = ["red", "green", "blue"]
# what is drawn, 4 x 4; the method sees exactly this where it reads every pixel by itself
SEEN = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]])
# the truth says that a column of "green" is void and that one corner of "blue" is "red"
TRUTH = np.array([[0, 0, 1, 255], [0, 0, 1, 255], [0, 2, 2, 2], [2, 2, 2, 2]])


def board_of(tmp_path, scenes, method=None, batch=None, description=None, **changes):
    folder = write_benchmark(tmp_path / "squares", scenes, **(description or {}))
    benchmark = read(folder)
    evaluator = Evaluator(
        method or ColourMethod(), benchmark, {"run": settings(**changes)}, "run", benchmark.ids
    )
    board = evaluator(batch or benchmark.ids)["run"]
    return board, board.numbers(benchmark)


def one(truth=TRUTH, seen=SEEN):
    return {"a": (truth, paint(seen, NAMES))}


def test_miou_and_pixel_accuracy_by_hand(tmp_path):
    _, numbers = board_of(tmp_path, one(), use_proposals="none")
    # red: 4 of {5 true, 4 guessed} -> 4/5; green: 2 of 2 -> 1; blue: 7 of {7, 8} -> 7/8; 13 of 14 pixels
    assert numbers["miou"] == pytest.approx(100 * (4 / 5 + 1 + 7 / 8) / 3, abs=1e-4)
    assert numbers["miou_thing"] == pytest.approx(100 * (4 / 5 + 1) / 2)
    assert numbers["miou_stuff"] == pytest.approx(87.5)
    assert numbers["pixel_accuracy"] == pytest.approx(100 * 13 / 14, abs=1e-4)


def test_grounding_miou_queries_only_the_classes_of_the_truth(tmp_path):
    # all of the image is called blue, green pixels too: green is asked for in mIoU and not in Grounding mIoU
    truth = np.where(SEEN == 1, 2, SEEN)
    _, numbers = board_of(tmp_path, one(truth), use_proposals="none")
    # mIoU: red 1, green 0 (predicted, never true), blue 8/12; in grounding green pixels score 0 for red and
    # for blue, and the first of equals is taken: red 4/8, blue 8/12
    assert numbers["miou"] == pytest.approx(100 * (1 + 0 + 8 / 12) / 3, abs=1e-4)
    assert numbers["grounding_miou"] == pytest.approx(100 * (4 / 8 + 8 / 12) / 2, abs=1e-4)


def test_the_readings_of_one_model_differ_by_their_regions(tmp_path):
    folder = write_benchmark(tmp_path / "squares", one())
    ways = {name: settings(use_proposals=name) for name in ("predicted", "none", "ground_truth")}
    boards = Evaluator(ColourMethod(), read(folder), ways, "none")(["a"])
    # the quadrants are the true regions but for the corner and the void: what is read without proposals;
    # of the truth's own regions red is 4/5 red and 1/5 blue, still red as a whole: everything right
    assert np.array_equal(boards["predicted"].miou.counts, boards["none"].miou.counts)
    assert boards["ground_truth"].miou.compute()["miou"] == 1.0


def test_proposals_are_scored_where_they_are_predicted_and_nowhere_else(tmp_path):
    board, numbers = board_of(tmp_path, one())
    # quadrants against truth: red 4/5; green (2 pixels, void aside) 2/2; blue best of 3/8 and 4/7
    assert board.recall.segments == 3
    assert numbers["recall_50"] == 100.0
    assert numbers["recall_70"] == pytest.approx(200 / 3, abs=1e-4)
    assert numbers["recall_90"] == pytest.approx(100 / 3, abs=1e-4)
    _, numbers = board_of(tmp_path, one(), use_proposals="none")
    assert "recall_50" not in numbers


def test_the_cap_counts_the_first_proposals_only(tmp_path):
    _, numbers = board_of(tmp_path, one(), max_proposals=1)
    assert numbers["recall_50"] == pytest.approx(100 / 3, abs=1e-4)


def test_the_probe_tells_things_from_stuff(tmp_path):
    method = ColourMethod(blind=("green", "lime"))
    _, numbers = board_of(tmp_path, one(), method, use_proposals="none")
    # red and blue regions are named right; green looks like red or blue to a method that is blind to it
    assert numbers["probe_thing_top1"] == 50.0
    assert numbers["probe_stuff_top1"] == 100.0
    assert numbers["probe_chance"] == pytest.approx(100 / 3, abs=1e-4)


def test_stuff_that_is_called_a_thing(tmp_path):
    seen = np.where(SEEN == 2, SEEN[::-1], SEEN)
    _, numbers = board_of(tmp_path, one(SEEN, seen), use_proposals="none")
    # the blue half, which is stuff, is painted in red and green; things are as they are
    assert numbers["foreground_bias"] == numbers["probe_foreground_bias"] == 100.0
    assert numbers["macc"] == pytest.approx(200 / 3, abs=1e-4)
    _, numbers = board_of(tmp_path, one(), use_proposals="none")
    assert numbers["foreground_bias"] == numbers["probe_foreground_bias"] == 0.0


def test_held_out_scenes_count_in_their_own_number_and_nowhere_else(tmp_path):
    wrong = np.full((4, 4), 1)
    scenes = {**one(SEEN), "b": (np.zeros((4, 4)), paint(wrong, NAMES))}
    board, numbers = board_of(tmp_path, scenes, description={"held_out": ["b"]})
    assert numbers["miou"] == numbers["grounding_miou"] == 100.0
    assert numbers["miou_held_out"] == numbers["miou_held_out_thing"] == 0.0
    assert "miou_held_out_stuff" not in numbers  # no stuff there, neither true nor predicted
    assert board.recall.segments == board.probe.regions.sum() == 3
    assert board.images == 2


def test_subsets_have_their_own_means(tmp_path):
    description = {"subsets": {"cold": ["green", "blue"]}}
    _, numbers = board_of(tmp_path, one(), description=description, use_proposals="none")
    assert numbers["miou_cold"] == pytest.approx(100 * (1 + 7 / 8) / 2)
    assert numbers["grounding_miou_cold"] == pytest.approx(100 * (1 + 7 / 8) / 2)


def test_further_names_map_to_the_background(tmp_path):
    # class 2 is the background; what is white or blue is background
    seen = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [3, 3, 2, 2], [3, 3, 2, 2]])
    scenes = {"a": (TRUTH, paint(seen, [*NAMES, "white"]))}
    rule = {"background": {"index": 2, "names": ["white", "blue"]}}
    _, numbers = board_of(tmp_path, scenes, description=rule, use_proposals="none")
    assert numbers["miou"] == pytest.approx(100 * (4 / 5 + 1 + 7 / 8) / 3, abs=1e-4)
    # foreground: background pixels of the truth are void; the red corner is white, which ties -> red
    assert numbers["foreground_miou"] == 100.0
    assert "miou_stuff" not in numbers  # the only stuff is the background, and it has no kind


def test_a_background_without_names_does_not_count(tmp_path):
    rule = {"background": {"index": 2, "names": []}}
    _, numbers = board_of(tmp_path, one(), description=rule, use_proposals="none")
    # pixels: red 5, green 2; the blue corner of red is black to red and green, a tie -> red
    assert numbers["miou"] == numbers["foreground_miou"] == 100.0
    assert numbers["pixel_accuracy"] == 100.0
    assert numbers["probe_chance"] == 50.0


def test_an_image_that_is_all_void_counts_nothing(tmp_path):
    board, numbers = board_of(tmp_path, one(np.full((4, 4), 255)))
    assert board.images == 1
    assert set(numbers) <= {"miou", "grounding_miou"}


def test_batches_share_a_size_and_hold_every_id_once(tmp_path):
    small, wide = np.zeros((4, 4)), np.zeros((4, 6))
    scenes = {
        key: (labels, paint(labels.astype(int), NAMES))
        for key, labels in {"a": small, "b": wide, "c": small, "d": small}.items()
    }
    benchmark = read(write_benchmark(tmp_path / "squares", scenes))
    assert plan(benchmark, settings(batch_size=2)) == [["a", "c"], ["d"], ["b"]]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_scores_do_not_depend_on_the_batch_size_and_merge_exactly(tmp_path, batch_size):
    rng = np.random.default_rng(3)
    scenes = {
        f"{i}": (rng.integers(0, 3, (4, 4)), paint(rng.integers(0, 3, (4, 4)), NAMES)) for i in range(5)
    }
    benchmark = read(write_benchmark(tmp_path / "squares", scenes, held_out=["3"]))
    evaluator = Evaluator(ColourMethod(), benchmark, {"run": settings()}, "run")
    whole = evaluator(benchmark.ids)["run"]
    parts = [evaluator(batch)["run"] for batch in plan(benchmark, settings(batch_size=batch_size))]
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].numbers(benchmark) == whole.numbers(benchmark)
    assert parts[0].images == whole.images == 5


def test_the_gallery_is_a_fixed_choice(tmp_path):
    scenes = {f"{i:02}": (SEEN, paint(SEEN, NAMES)) for i in range(20)}
    benchmark = read(write_benchmark(tmp_path / "squares", scenes))
    chosen = gallery_ids(benchmark, 5, 0)
    assert chosen == gallery_ids(benchmark, 5, 0) == sorted(set(chosen))
    assert chosen != gallery_ids(benchmark, 5, 1)
    assert gallery_ids(benchmark, 99, 0) == benchmark.ids


def test_every_synonym_is_embedded_once_for_a_whole_benchmark(tmp_path):
    method = ColourMethod()
    benchmark = read(write_benchmark(tmp_path / "squares", {**one(), "b": one()["a"]}))
    evaluator = Evaluator(method, benchmark, {"run": settings(), "other": settings(centring=0.3)}, "run")
    evaluator(["a"])
    evaluator(["b"])
    assert method.asked == ["red", "green", "lime", "blue"]


def test_below_a_threshold_of_probability_is_background(tmp_path):
    # class 0 is what remains; the method knows no blue: it scores 0 for all of them there, so 1/2 each
    seen = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3], [3, 3, 3, 3]])
    scenes = {"a": (np.where(seen == 3, 0, seen), paint(seen, ["white", "red", "green", "blue"]))}
    rule = {"background": {"index": 0, "names": []}, "names": ["white", "red", "green"]}
    for threshold, expected in ((0.6, [1.0, 1.0, 1.0]), (0.4, [0.0, 4 / 12, 1.0])):
        board, numbers = board_of(
            tmp_path, scenes, description=rule, use_proposals="none", background=f"threshold={threshold}"
        )
        assert board.miou.iou().tolist() == pytest.approx(expected)
        assert numbers["foreground_miou"] == 100.0  # there the blue half is void
    # without the rule, background pixels do not count at all
    board, _ = board_of(tmp_path, scenes, description=rule, use_proposals="none")
    assert np.isnan(board.miou.iou()[0])


def test_readings_differ_by_their_background(tmp_path):
    seen = np.array([[0, 0, 3, 3]] * 4)
    scenes = {"a": (np.array([[0, 0, 2, 2]] * 4), paint(seen, [*NAMES, "white"]))}
    folder = write_benchmark(tmp_path / "squares", scenes, background={"index": 2, "names": ["blue"]})
    ways = {
        "own": settings(use_proposals="none"),
        "named": settings(use_proposals="none", background="names=white"),
    }
    boards = Evaluator(ColourMethod(), read(folder), ways, "own")(["a"])
    assert boards["named"].miou.iou()[[0, 2]].tolist() == [1.0, 1.0]
    assert boards["own"].miou.iou()[2] < 1.0  # white is as near to red as to blue, and red is the first


class Proposals(torch.nn.Module):
    """Masks without names, as the teacher's."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def proposals(self, images):
        return ColourMethod().proposals(images)


def test_a_model_without_names_is_scored_by_its_proposals(tmp_path):
    _, numbers = board_of(tmp_path, one(), Proposals())
    recall = {"recall_50": 100.0, "recall_70": 200 / 3, "recall_90": 100 / 3}
    probe = 100 * (1 + 4 / 5 + 4 / 7) / 3  # the best IoU of each segment
    assert numbers == pytest.approx({**recall, "mask_probe": probe}, abs=1e-4)


def test_segments_without_names_are_a_benchmark_of_their_own(tmp_path):
    benchmark = read(write_benchmark(tmp_path / "squares", one())).regions()
    board = Evaluator(ColourMethod(), benchmark, {"run": settings()}, "run")(["a"])["run"]
    assert board.numbers(benchmark).keys() == {"recall_50", "recall_70", "recall_90", "mask_probe"}
    with pytest.raises(
        ParamError, match="Identity proposes no masks, and regions:squares scores nothing else"
    ):
        Evaluator(torch.nn.Identity(), benchmark, {"run": settings()}, "run")


def test_a_batch_holds_as_many_scores_as_there_is_memory_for(tmp_path, monkeypatch):
    scenes = {f"{i}": (np.zeros((32, 32)), np.zeros((32, 32, 3), np.uint8)) for i in range(6)}
    benchmark = read(write_benchmark(tmp_path / "squares", scenes))
    # 4 names x 32 x 32 pixels at stride 4: 256 scores an image, 64 where the side is halved
    monkeypatch.setattr(evaluator, "SCORES", 520)
    assert [len(batch) for batch in plan(benchmark, settings(batch_size=5))] == [2, 2, 2]
    assert [len(batch) for batch in plan(benchmark, settings(batch_size=5, short_side=16))] == [5, 1]
    monkeypatch.setattr(evaluator, "SCORES", 1)
    assert [len(batch) for batch in plan(benchmark, settings(batch_size=5))] == [1] * 6
