import numpy as np
import pytest

from ovseg_core.web import drawing, shapes, textures, world
from ovseg_core.web.drawing import Thing


def scene(index=0, split="captioned", **options):
    return world.draw_scene(world.scene_rng(0, split, index), **options)


def test_a_scene_is_made_by_its_seed_split_and_index_alone():
    first = scene(3)
    scene(4)
    again = scene(3)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.ids, again.ids)
    assert first.caption == again.caption
    assert not np.array_equal(first.image, scene(3, split="toy-test").image)
    assert not np.array_equal(first.image, scene(4).image)


@pytest.mark.parametrize("side", [16, 64, 96])
def test_every_segment_has_a_name_and_enough_pixels(side):
    for index in range(60):
        drawn = scene(index, side=side)
        assert drawn.image.shape == (side, side, 3)
        assert drawn.image.dtype == np.uint8
        assert (drawn.ids.shape, drawn.ids.dtype) == ((side, side), np.uint16)
        areas = np.bincount(drawn.ids.ravel(), minlength=len(drawn.names) + 1)
        assert len(areas) == len(drawn.names) + 1
        assert areas[1:].min() >= 12 * (side / 64) ** 2
        assert set(drawn.names) <= {*world.THINGS, *world.STUFF}
        assert [thing.name for thing in drawn.things] == [n for n in drawn.names if n in world.THINGS]


def test_kinds_have_their_things_and_backgrounds():
    for index in range(40):
        portrait, landscape = scene(index, kind="portrait"), scene(index, kind="landscape")
        multi = scene(index, kind="multi")
        assert len(portrait.names) == 2
        assert 0.60 <= portrait.things[0].size <= 0.95
        assert sum(name in world.STUFF for name in landscape.names) == 2
        assert len(landscape.things) <= 1
        assert len(multi.things) <= 3
        assert all(0.34 <= thing.size <= 0.60 for thing in multi.things)


def test_kinds_come_in_their_shares():
    kinds = [scene(index, side=16).kind for index in range(1000)]
    for kind, share in world.KINDS.items():  # three standard deviations of a share of 0.45 are 0.047
        assert kinds.count(kind) / 1000 == pytest.approx(share, abs=0.05)


def test_held_out_pairs_occur_in_held_out_scenes_only():
    pairs = world.held_out_pairs()
    assert len(pairs) == 24
    assert {name for _, name in pairs} == set(world.THINGS)
    assert not any((colour, name) in pairs for name in world.THINGS for colour in world.usual_colours(name))
    trained = {(t.colour, t.name) for i in range(1500) for t in scene(i, side=16).things}
    assert not trained & pairs
    assert len(trained) > 100  # of the other 120
    held_out = [scene(i, side=16, held_out=True) for i in range(200)]
    assert {(t.colour, t.name) for s in held_out for t in s.things} <= pairs
    assert sum(not s.things for s in held_out) <= 1  # one may be hidden by the edge


def test_every_thing_has_a_pattern_and_accent_of_its_own():
    k = np.arange(16)
    assert len(set(zip(k % 8, (3 * k + k // 8) % 8, strict=True))) == 16
    assert len(world.THINGS) == 16
    assert (len(world.STUFF), len(drawing.PATTERNS), len(world.ACCENTS), len(world.COLOURS)) == (8, 8, 8, 9)


def test_sliver_is_left_out_and_the_rest_numbered_anew():
    ids = np.ones((64, 64), np.uint16)
    ids[:2, :5] = 2  # 10 pixels, below 12
    ids[10:20, 10:20] = 3
    kept_ids, kept = world._drop_slivers(ids, 3)
    assert kept == [0, 2]
    assert kept_ids[0, 0] == 0
    assert kept_ids[15, 15] == 2
    assert kept_ids[40, 40] == 1


def paint(name="ring", side=64, **changes):
    given = {"name": name, "colour": "red", "x": 0.5, "y": 0.5, "size": 0.8, "angle": 0.0, "aspect": 1.0}
    thing = Thing(**{**given, "flip": False, **changes})
    picture = np.zeros((side, side, 3), np.float32)
    mask = drawing.paint_thing(
        picture, thing, shapes.distance_map(name), 0, np.full(3, 200.0), np.full(3, 100.0)
    )
    return picture, mask


def test_mask_is_where_a_thing_covers_half_a_pixel():
    picture, mask = paint()
    # the darkest paint is the rim, 0.6 x 100: half covered it gives 30; outside less than half is left
    assert picture[mask].min() >= 29.9
    assert picture[~mask].max() <= 30.1
    assert not mask[32, 32]  # the hole of the ring


@pytest.mark.parametrize("side", [32, 64, 128])
def test_ring_has_the_area_of_its_circles(side):
    # radii 0.95 and 0.52 of half the thing's size, 0.4 of the side: pi (0.38^2 - 0.208^2) = 0.3177
    assert paint(side=side)[1].mean() == pytest.approx(0.3177, abs=0.012)


def test_aspect_widens_and_rotation_turns():
    _, mask = paint("kite", aspect=1.18)
    wide = np.ptp(np.nonzero(mask.any(0))[0]) / np.ptp(np.nonzero(mask.any(1))[0])
    _, mask = paint("kite", aspect=0.85)
    assert np.ptp(np.nonzero(mask.any(0))[0]) / np.ptp(np.nonzero(mask.any(1))[0]) < wide
    upright, turned = paint("boat")[1], paint("boat", angle=90.0)[1]
    assert (np.rot90(upright, -1) == turned).mean() > 0.99
    flipped = paint("boat", flip=True)[1]
    assert (upright[:, ::-1] == flipped).mean() > 0.99


def test_coverage_is_half_on_the_edge_and_linear_over_one_pixel():
    distance = np.array([-1.0, -0.25, 0.0, 0.25, 1.0])
    assert drawing.coverage(distance, 1.0) == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert drawing.coverage(distance, 2.0) == pytest.approx([1, 1, 0.5, 0, 0])


def test_stripes_cover_their_share():
    u = np.linspace(0, 75, 7500, endpoint=False)  # ten periods
    assert drawing.PATTERNS[0](u, u * 0, 1.0).mean() == pytest.approx(0.45, abs=0.01)


@pytest.mark.parametrize("name", textures.TEXTURES)
def test_textures_fill_the_picture(name):
    picture = textures.TEXTURES[name](np.random.default_rng(0), 48)
    assert picture.shape == (48, 48, 3)
    assert np.isfinite(picture).all()
    assert picture.std() > 2


@pytest.mark.parametrize("name", shapes.SHAPES)
def test_shapes_fit_their_square_and_have_an_inside(name):
    distance = shapes.distance_map(name)
    assert distance.shape == (shapes.TEMPLATE, shapes.TEMPLATE)
    inside = distance < 0
    assert 0.08 < inside.mean() < 0.5
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()
