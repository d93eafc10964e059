"""Views of an image, and what a start from them hands on."""

import pytest
import torch
from small_methods import MODEL, SETTINGS, WORDS, batch, make

from ovseg_core.losses.contrastive import info_nce
from ovseg_core.methods.simclr import cropped, recoloured, turned
from ovseg_core.params import ParamError
from ovseg_core.training.checkpoint import save_model, start_from


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_view_of_the_whole_image_is_the_image_or_its_mirror():
    images = torch.rand(16, 3, 8, 8, generator=seeded(1))
    views = cropped(images, 1.0, seeded())
    same = [torch.allclose(view, image, atol=1e-5) for view, image in zip(views, images, strict=True)]
    mirrored = [
        torch.allclose(view, image.flip(2), atol=1e-5) for view, image in zip(views, images, strict=True)
    ]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 0 < sum(same) < 16


def test_a_crop_shows_as_much_of_the_image_as_is_asked():
    across = torch.linspace(0, 1, 64).expand(64, 3, 64, 64)  # a pixel's value is its column
    views = cropped(across, 0.25, seeded())
    shown = (views[:, 0, 0, 0] - views[:, 0, 0, -1]).abs()
    assert (shown > 0.48).all()  # half of each side
    assert shown.min() < 0.6
    assert shown.max() > 0.9


def test_a_backbone_that_stays_as_it_is_has_nothing_to_learn():
    frozen = {**MODEL, "image": {**MODEL["image"], "frozen": True}}
    with pytest.raises(ParamError, match=r"model\.image\.frozen is True; accepted: false for simclr"):
        make("simclr", frozen)


def test_a_third_of_a_turn_makes_red_green():
    red, grey = torch.tensor([1.0, 0.0, 0.0]), torch.full((3,), 0.4)
    [turn] = turned(torch.tensor([2 * torch.pi / 3]))
    torch.testing.assert_close(turn @ red, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(turn @ grey, grey)


def test_grays_stay_gray_and_colours_change():
    grey = torch.rand(32, 1, 4, 4, generator=seeded(1)).expand(-1, 3, -1, -1)
    made = recoloured(grey, seeded())
    torch.testing.assert_close(made.amax(1), made.amin(1), atol=1e-5, rtol=0)
    red = torch.zeros(200, 3, 4, 4)
    red[:, 0] = 0.5
    made = recoloured(red, seeded())[:, :, 0, 0]
    assert made.min() >= 0
    assert made.max() <= 1
    is_grey = made.std(1) < 1e-4
    assert 0.1 < is_grey.float().mean() < 0.35  # a fifth
    assert (made[~is_grey].argmax(1) == 0).all()  # a tenth of a turn leaves red reddish
    assert made[~is_grey, 1].max() > 0.1
    assert made[~is_grey, 2].max() > 0.1


def test_the_loss_is_the_contrast_of_two_views():
    model, given = make("simclr").eval(), batch()
    generator = seeded(given.seed)
    found = []
    for _ in range(2):
        view = recoloured(cropped(given.images, 0.25, generator), generator)
        stem = model.image["stem"]
        found.append(model.project(stem(stem.maps(view)).mean((2, 3))))
    expected = info_nce(*found, torch.tensor(0.2))
    torch.testing.assert_close(model.losses(given)["contrastive"], expected)


@pytest.mark.parametrize("method", ["ovsegmentor", "groupvit"])
def test_a_model_that_groups_starts_from_its_tokens(tmp_path, method):
    first = make("simclr", seed=1)
    config = {
        "run": "teacher",
        "method": "simclr",
        "settings": SETTINGS["simclr"],
        "model": MODEL,
        "words": WORDS,
    }
    save_model(str(tmp_path), first.state_dict(), config)
    second = make(method)
    start_from(second, tmp_path, method)
    kept, given = second.image.stem.state_dict(), first.image["stem"].state_dict()
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], value) for name, value in given.items())
