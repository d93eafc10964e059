import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from ovseg_core.records import BadSample
from ovseg_core.shards import decode_image
from ovseg_core.web import faults

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def pages(fault):
    return faults.page(np.random.default_rng(1), fault, "/pictures/1.jpg", IMAGE)


def test_faults_come_in_their_shares():
    assert sum(faults.DEAD.values()) == pytest.approx(0.05, abs=0.001)
    assert sum(faults.BROKEN.values()) == pytest.approx(0.02)
    rng = np.random.default_rng(0)
    drawn = Counter(faults.draw(rng, faults.FAULTS) for _ in range(20_000))
    for name in ("ok", "not_found", "redirect", "html"):
        expected = faults.FAULTS.get(name, 1 - sum(faults.FAULTS.values()))
        assert drawn[name] / 20_000 == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("fault", [*faults.FAULTS, "ok"])
def test_the_first_page_answers_under_the_path(fault):
    assert pages(fault)[0].path == "/pictures/1.jpg"


def test_bodies_are_as_bad_as_their_names():
    good = faults.jpeg(IMAGE)
    assert pages("ok")[0].body == good
    assert pages("html")[0].body.startswith(b"<!doctype html>")
    assert len(pages("cut")[0].body) < len(good)
    for fault in ("cut", "broken", "html"):
        with pytest.raises(BadSample, match="undecodable_image"):
            decode_image(pages(fault)[0].body)
    assert decode_image(pages("tiny")[0].body).shape == (12, 12, 3)
    assert pages("truncated")[0].body == good  # whole here; the server cuts it


def test_redirects_lead_on_in_circles_or_to_a_private_address():
    here, there = pages("redirect")
    assert (here.location, there.body) == (there.path, faults.jpeg(IMAGE))
    assert pages("redirect_loop")[0].location == "/pictures/1.jpg"
    assert "169.254.169.254" in pages("redirect_private")[0].location


def test_copies_are_the_same_or_nearly():
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(IMAGE[:4, :4]).resize((64, 64)))
    same = faults.copy(rng, "duplicate", "/m.jpg", smooth).body
    near = faults.copy(rng, "near_duplicate", "/m.jpg", smooth).body
    assert same == faults.jpeg(smooth) != near
    difference = np.abs(decode_image(near).astype(int) - smooth)
    assert 0 < difference.mean() < 10


def test_jpeg_keeps_full_colour_resolution():
    with Image.open(io.BytesIO(faults.jpeg(IMAGE))) as image:
        assert [(c[1], c[2]) for c in image.layer] == [(1, 1)] * 3  # sampling factors: 4:4:4
