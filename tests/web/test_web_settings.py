import pytest

from ovseg_core import params
from ovseg_core.params import ParamError
from ovseg_core.web.settings import WebSettings

TOY = {
    "scenes": 10,
    "labelled": 0.15,
    "side": 64,
    "val_scenes": 1,
    "test_scenes": 1,
    "held_out_scenes": 0,
}
WEB = {"source": "toy", "seed": 0, "port": 8765, "folder": None, "urls": None, "format": "auto", "toy": TOY}


def build(**changes):
    return params.build({**WEB, **changes}, "web", WebSettings)


def test_share_of_labelled_scenes():
    assert build().toy.num_labelled == 2  # 1.5, rounded to even


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "flickr"}, r"web\.source is 'flickr'; accepted: toy, photos, urls"),
        ({"source": "photos"}, r"web\.folder is None; accepted: a path"),
        ({"source": "urls"}, r"web\.urls is None; accepted: a path"),
        ({"format": "xml"}, r"web\.format is 'xml'.*cc3m"),
        ({"port": 0}, r"web\.port is 0; accepted: 1 to 65535"),
        ({"port": "8765"}, r"web\.port is '8765'; it has to be of type int"),
        ({"seed": -1}, r"web\.seed is -1"),
        ({"toy": {**TOY, "labelled": 1.5}}, r"web\.toy\.labelled is 1\.5"),
        ({"toy": {**TOY, "side": 8}}, r"web\.toy\.side is 8; accepted: 16 to 512"),
        ({"toy": {**TOY, "scenes": 0}}, r"web\.toy\.scenes is 0"),
        ({"toy": {**TOY, "val_scenes": 0}}, r"web\.toy\.val_scenes"),
        ({"toy": {**TOY, "test_scenes": 0}}, r"web\.toy\.test_scenes"),
        ({"toy": {**TOY, "held_out_scenes": -1}}, r"web\.toy\.held_out_scenes"),
        ({"toy": {**TOY, "colours": 3}}, r"web\.toy\.colours is 3: there is no such key"),
    ],
)
def test_wrong_values_are_refused_by_name(changes, message):
    with pytest.raises(ParamError, match=message):
        build(**changes)
