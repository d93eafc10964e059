import numpy as np
import pytest

from ovseg_core.training.plan import StreamPlan, positions, seed_of

SHARD_OF = np.repeat([0, 1, 2, 3, 4], [4, 6, 5, 5, 4])  # 24 samples in five shards


def plans(world: int, window: int = 2, shard_of: np.ndarray = SHARD_OF) -> list[StreamPlan]:
    return [StreamPlan(shard_of, (0, 1), rank, world, window) for rank in range(world)]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("epoch", [0, 7])
def test_an_epoch_visits_every_sample_once_over_all_workers(world, epoch):
    visits = [plan.epoch(epoch).samples for plan in plans(world)]
    assert {len(v) for v in visits} == {24 // world}
    assert sorted(np.concatenate(visits).tolist()) == list(range(24))


def test_workers_get_equally_many_when_samples_do_not_divide():
    visits = [plan.epoch(0).samples.tolist() for plan in plans(5)]
    assert [len(v) for v in visits] == [4] * 5  # 24 // 5; the other four sit this epoch out
    assert len({sample for v in visits for sample in v}) == 20


def test_a_worker_opens_only_its_part_of_the_shards():
    shard_of = np.repeat(np.arange(40), 10)
    for plan in plans(4, shard_of=shard_of):
        assert len(set(shard_of[plan.epoch(0).samples].tolist())) <= 40 // 4 + 1


def test_a_window_holds_a_few_shards_and_mixes_them():
    plan = plans(1)[0]
    epoch = plan.epoch(3)
    assert epoch.windows.tolist() == sorted(epoch.windows.tolist())
    assert set(epoch.windows.tolist()) == {0, 1, 2}  # five shards, two at a time
    for window in range(3):
        shards = SHARD_OF[epoch.samples[epoch.windows == window]].tolist()
        assert len(set(shards)) <= 2
        assert set(shards) == set(plan.shards_in(3, window))
    first = SHARD_OF[epoch.samples[epoch.windows == 0]]
    assert np.count_nonzero(np.diff(first)) > 1, "one shard after the other is no mixture"


def test_the_window_after_the_last_is_the_first_of_the_next_epoch():
    plan = plans(1)[0]
    assert plan.shards_in(0, 3) == plan.shards_in(1, 0)
    assert plan.window_at(23) == (0, 2)
    assert plan.window_at(24) == (1, 0)


def test_any_position_can_be_asked_for_first():
    plan = plans(2)[1]
    walked = [plan.sample(position) for position in range(60)]
    for position in (59, 0, 37):
        assert plans(2)[1].sample(position) == walked[position]


def test_epochs_and_seeds_differ():
    plan = plans(1)[0]
    assert plan.epoch(0).samples.tolist() != plan.epoch(1).samples.tolist()
    other = StreamPlan(SHARD_OF, (1, 1), 0, 1, 2)
    assert plan.epoch(0).samples.tolist() != other.epoch(0).samples.tolist()


def test_fewer_samples_than_workers_are_refused():
    with pytest.raises(ValueError, match="24 samples cannot be shared by 25 workers"):
        StreamPlan(SHARD_OF, (0,), 0, 25, 2)


def test_shares_of_a_batch_hold_on_average_and_leave_no_gap():
    # 6 images, a quarter of them labelled: 1.5 a batch, so 1 and 2 in turn
    walked = [positions(part, 6, 0.25) for part in range(4)]
    assert [len(labelled) for labelled, _ in walked] == [1, 2, 1, 2]
    assert [p for labelled, _ in walked for p in labelled] == list(range(6))
    assert [p for _, captioned in walked for p in captioned] == list(range(18))


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.5, 48), (1.0, 96)])
def test_whole_shares_are_the_same_in_every_batch(share, expected):
    for part in (0, 1, 1000):
        labelled, captioned = positions(part, 96, share)
        assert (len(labelled), len(captioned)) == (expected, 96 - expected)


def test_seeds_for_torch_differ_and_fit():
    seeds = {seed_of(0, step, rank) for step in range(50) for rank in range(2)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
