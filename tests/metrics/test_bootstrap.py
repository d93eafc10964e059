import numpy as np
import pytest

from ovseg_core.metrics.bootstrap import compare, draw, draw_images, interval, means
from ovseg_core.metrics.iou import CONVENTIONS
from ovseg_core.metrics.per_image import PerImageIoU


def system(quality, images=40, seed=0, classes=4):
    """Maps of which a share `quality` is right; the same truth for every system."""
    counted = PerImageIoU(classes)
    truths, noise = np.random.default_rng(99), np.random.default_rng(seed)
    for number in range(images):
        truth = truths.integers(0, classes, (8, 8))
        right = noise.random((8, 8)) < quality
        counted.update(f"{number:03}", np.where(right, truth, noise.integers(0, classes, (8, 8))), truth)
    return counted


def repeated(counted, weights):
    """The same images, each as often as a row of weights says, under further names."""
    again = PerImageIoU(counted.num_classes)
    for key, times in zip(sorted(counted.rows), weights.astype(int), strict=True):
        again.rows |= {f"{key}-{copy}": counted.rows[key] for copy in range(times)}
    return again


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("classes", [None, [1, 3]])
def test_a_draw_is_the_score_of_the_images_drawn(convention, classes):
    counted = system(0.5, images=6)
    weights = draw_images(6, 20, seed=3)
    assert (weights.sum(1) == 6).all()
    expected = [repeated(counted, row).compute(convention, classes)["miou"] for row in weights]
    assert means(counted, weights, classes, convention) == pytest.approx(expected, abs=1e-12)


def test_an_interval_surrounds_the_score_and_narrows_with_images():
    counted = system(0.6)
    found = interval(draw([counted]))
    assert found.value == pytest.approx(counted.compute()["miou"])
    assert found.low < found.value < found.high
    many = interval(draw([system(0.6, images=160)]))
    # a fourth of the variance: half the width
    assert many.high - many.low == pytest.approx((found.high - found.low) / 2, rel=0.25)
    assert interval(draw([counted])) == found  # seeded


def test_the_interval_holds_what_other_images_score_in_nineteen_of_twenty_cases():
    """Coverage: intervals of small samples against the score of a large one."""
    large = system(0.6, images=800, seed=5)
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        sample = PerImageIoU(4)
        for number, key in enumerate(rng.choice(sorted(large.rows), 40, replace=False)):
            sample.rows[f"{number:03}"] = large.rows[key]
        found = interval(draw([sample], draws=200))
        hits += found.low <= large.compute()["miou"] <= found.high
    assert 88 <= hits <= 100


def test_a_clear_difference_is_above_and_none_is_not():
    good, bad = draw([system(0.7, seed=1)]), draw([system(0.5, seed=2)])
    assert compare(good, bad).above
    assert not compare(bad, good).above
    same = compare(good, good)
    assert not same.above
    assert (same.difference.value, same.difference.low) == (0, 0)


def test_pairing_sees_what_two_intervals_do_not():
    """Images differ much, the systems little but always: a pixel in each image."""
    rng = np.random.default_rng(0)
    a, b = PerImageIoU(2), PerImageIoU(2)
    for number in range(30):
        truth = np.arange(64).reshape(8, 8) % 2
        guess = np.where(rng.random((8, 8)) < rng.random(), truth, 1 - truth)
        worse = guess.copy()
        where = np.argwhere(guess == truth)
        if len(where):
            worse[tuple(where[0])] ^= 1
        a.update(str(number), guess, truth)
        b.update(str(number), worse, truth)
    assert interval(draw([b])).high > interval(draw([a])).value  # they overlap
    assert compare(draw([a]), draw([b])).above


def test_seeds_that_scatter_leave_a_difference_open():
    a, b = (
        [system(quality, seed=n) for n, quality in enumerate(part)]
        for part in ((0.7, 0.5, 0.6), (0.5, 0.65, 0.6))
    )
    assert compare(draw(a[:1]), draw(b[:1])).above  # one lucky seed
    assert not compare(draw(a), draw(b)).above


def test_what_was_scored_on_other_images_is_not_compared():
    whole, less = system(0.5), system(0.5, images=39)
    for apart in (lambda: compare(draw([whole]), draw([less])), lambda: draw([whole, less])):
        with pytest.raises(
            ValueError, match=r"image '039' was not scored in all of what is compared \(1 such"
        ):
            apart()
    with pytest.raises(ValueError, match="drawn differently"):
        compare(draw([whole]), draw([whole], seed=1))
    with pytest.raises(ValueError, match="no image to draw from"):
        draw([PerImageIoU(2)])
