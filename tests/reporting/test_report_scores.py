import math

import pytest

from ovseg_core import files
from ovseg_core.reporting import naming, results, scores
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep


@pytest.fixture
def found(whole_project, sweep):
    return scores.load(Sources(str(whole_project)), sweep)


def test_values_are_those_of_every_seed(found):
    assert found.values("openseg", "toy-test", "miou") == [60.0, 62.0]
    assert found.values("openseg-no-proposals", "toy-test", "miou") == [55.0, 57.0]
    assert found.values("openseg-no-proposals", "toy-test", "probe_thing_top1") == []
    assert found.seeds("toy-test") == [0, 1]


def test_every_number_names_its_seeds_and_its_data(found):
    text = naming.provenance(found, "toy-test")
    assert text.startswith("Seeds 0, 1; benchmark data cdcdcdcdcdcd, training data efefefefefef; protocol")


def test_many_kinds_of_training_data_are_counted():
    found = scores.Scores([], training_data={"toy-test": ["a", "b", "c"]})
    assert "training data of 3 kinds, see section Training" in naming.provenance(found, "toy-test", [0])


def test_mean_and_spread_of_a_sample():
    # deviations -2, 0, 2: (4 + 0 + 4) / 2 = 4
    assert scores.mean_and_spread([58.0, 60.0, 62.0]) == (60.0, 2.0)
    assert scores.mean_and_spread([58.0]) == (58.0, None)


def test_the_csv_has_a_row_per_reading_and_metric(found):
    lines = found.csv().decode().splitlines()
    assert lines[0] == "run,method,seed,benchmark,metric,value"
    assert "openseg-true-masks,openseg,1,toy-test,miou_stuff,72" in lines
    # 2 benchmarks x 2 seeds x (3 + 1 readings x 8 metrics + 3 of the probe for each of the 2 runs)
    assert len(lines) == 1 + 2 * 2 * (4 * 8 + 2 * 3)


def test_cells_that_are_not_evaluated_are_named_and_old_runs_are_not_read(project, sweep):
    (project / "reports/runs/clip_dense/1/toy-val/metrics.json").unlink()
    old = project / "reports/runs/renamed/0/toy-val/metrics.json"
    files.write_json(old, {"protocol": {}, "fingerprint": "", "readings": {"renamed": {"miou": 99.0}}})
    found = scores.load(Sources(str(project)), sweep)
    assert found.absent == ["clip_dense/1/toy-val"]
    assert not [row for row in found.rows if row[0] == "renamed"]


def test_what_is_not_a_number_counts_in_no_mean(project, sweep):
    path = project / "reports/runs/openseg/0/toy-val/metrics.json"
    content = files.read_json(path)
    content["readings"]["openseg"]["miou"] = math.nan
    files.write_json(path, content)
    assert scores.load(Sources(str(project)), sweep).values("openseg", "toy-val", "miou") == [62.0]


def test_columns_follow_the_metrics_that_are_there():
    present = {
        "miou",
        "miou_thing",
        "miou_frequent",
        "miou_held_out",
        "miou_held_out_thing",
        "recall_50",
        "mask_probe",
        "pixel_accuracy",
    }
    titles = [(column.group, column.title) for column in results.columns_of(present)]
    assert titles == [
        ("mIoU", "all"), ("mIoU", "things"), ("mIoU", "frequent"),
        ("held-out mIoU", "things"), ("mask recall", "R50"), ("mask probing", "best IoU"),
    ]  # fmt: skip


def test_the_best_is_bold_and_an_oracle_does_not_compete(sweep):
    rows = [(name, "m", 0, "toy-test", "miou", value) for name, value in
            (("openseg", 60.0), ("openseg-true-masks", 80.0), ("clip_dense", 50.0))]  # fmt: skip
    found = scores.Scores(rows)
    readings = [r for r in sweep.readings() if r.name != "openseg-no-proposals"]
    table = results.score_table(found, readings, results.columns_of({"miou"}), "toy-test")
    assert [(row[0].text, row[1].text, "best" in row[1].css) for row in table.rows] == [
        ("openseg", "60.0", True),
        ("openseg-true-masks †", "80.0", False),
        ("clip_dense", "50.0", False),
    ]
    assert "no spread is known" in table.caption
    assert table.groups == [("", 1), ("mIoU", 1)]


def test_a_mean_over_seeds_shows_its_spread():
    cell = results.score_cell([60.0, 62.0], best=61.0)
    assert (cell.text, cell.note, cell.css) == ("61.0", "±1.4", "number best")


def test_what_is_held_back_comes_first():
    assert naming.in_order(["toy-val", "toy-test", "voc"]) == ["toy-test", "voc", "toy-val"]


def test_a_sweep_knows_its_readings_and_what_they_change(sweep):
    assert [(r.name, r.run, r.number, r.oracle) for r in sweep.readings()] == [
        ("openseg", "openseg", 0, False),
        ("openseg-no-proposals", "openseg", 1, False),
        ("openseg-true-masks", "openseg", 2, True),
        ("clip_dense", "clip_dense", 0, False),
    ]
    assert sweep.readings()[1].change == "use_proposals: none"
    assert sweep.change_of("clip_dense") == "data.labelled: 0.0, data.pseudo: null"


def test_a_run_that_always_reads_true_masks_is_an_oracle():
    runs = {"a": {"method": "openseg", "evaluate": {"use_proposals": "ground_truth"}}}
    assert [r.oracle for r in Sweep.of({"runs": runs, "seeds": [0], "benchmarks": []}).readings()] == [True]
