import json

from ovseg_core.training.curves import Curves


def test_points_are_means_over_the_steps_since_the_last(tmp_path):
    curves = Curves(every=2)
    logged = [curves.add(step, {"mask": value}) for step, value in enumerate([1.0, 3.0, 5.0, 6.0, 9.0])]
    assert logged == [False, True, False, True, False]
    curves.write(str(tmp_path))
    assert (tmp_path / "mask.tsv").read_text() == "step\tvalue\n2\t2\n4\t5.5\n"
    assert curves.last() == {"mask": 5.5}


def test_a_run_that_ends_between_two_points_has_a_last_one():
    curves = Curves(every=10)
    curves.add(0, {"mask": 1.0})
    curves.add(1, {"mask": 4.0})
    curves.end_point(2)
    assert curves.points == {"mask": [[2, 2.5]]}
    curves.end_point(2)
    assert curves.points == {"mask": [[2, 2.5]]}


def test_a_loss_that_sets_in_later_is_not_diluted():
    curves = Curves(every=2)
    curves.add(0, {"a": 1.0})
    curves.add(1, {"a": 1.0, "b": 4.0})
    assert curves.last() == {"a": 1.0, "b": 4.0}


def test_the_state_survives_json_in_the_middle_of_a_point(tmp_path):
    whole, first = Curves(every=3), Curves(every=3)
    values = [0.1, 0.7, 1 / 3, 2.0, 5e-7, 9.0]
    for step, value in enumerate(values):
        whole.add(step, {"x": value})
    for step, value in enumerate(values[:4]):
        first.add(step, {"x": value})
    second = Curves(3, json.loads(json.dumps(first.state)))
    for step, value in enumerate(values[4:], start=4):
        second.add(step, {"x": value})
    assert second.state == whole.state
