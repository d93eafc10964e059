"""What every method promises, whichever it is."""

from dataclasses import replace

import pytest
import torch
from small_methods import MODEL, SETTINGS, WORDS, batch, make

from ovseg_core import params
from ovseg_core.evaluation.inference import temperature_of
from ovseg_core.methods.registry import METHODS, build
from ovseg_core.methods.settings import METHOD_SETTINGS

NAMES = sorted(name for name, kind in METHODS.items() if getattr(kind, "trains", True))
NAMELESS = ("masks", "simclr", "upernet")  # no text tower; upernet knows its own classes alone
READABLE = [name for name in NAMES if name not in NAMELESS]


@pytest.mark.parametrize("name", NAMES)
def test_steps_on_one_batch_reduce_the_loss(name):
    model, given = make(name), batch()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    totals = []
    for _ in range(8):
        total = sum(model(given).values())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert totals[-1] < 0.9 * totals[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name):
    model = make(name)
    sum(model(batch()).values()).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_finite_without_words_masks_or_classes(name):
    full = batch()
    none = torch.zeros(4, 0, 8, 8, dtype=torch.bool)
    bare = replace(
        full,
        words=[[] for _ in full.words],
        captions=["" for _ in full.captions],
        masks=none,
        num_masks=torch.zeros(4, dtype=torch.int64),
        labels=torch.zeros(4, 0, dtype=torch.int64),
    )
    some = replace(
        full,
        words=[full.words[0], [], [], []],
        num_masks=torch.tensor([2, 0, 1, 0]),
        labels=torch.full_like(full.labels, -1),
    )
    for given in (bare, some):
        model = make(name)
        total = sum(model(given).values())
        total.backward()
        assert torch.isfinite(total)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        missing = [n for n, p in trained.items() if p.grad is None]
        assert missing == []  # a worker whose batch lacks words must not leave DDP waiting
        assert all(torch.isfinite(p.grad).all() for p in trained.values())


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_float32_scalars_also_under_autocast(name):
    with torch.autocast("cpu", torch.bfloat16):
        losses = make(name)(batch())
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert {value.shape for value in losses.values()} == {torch.Size([])}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_batch_has_the_same_losses_whatever_was_drawn_before(name):
    model, given = make(name, **({"kp": 0.5} if name == "openseg" else {})), batch()
    torch.manual_seed(1)
    first = model(given)
    torch.manual_seed(2)
    assert {k: v.item() for k, v in model(given).items()} == {k: v.item() for k, v in first.items()}


@pytest.mark.parametrize("name", READABLE)
def test_scores_for_any_names_and_given_regions(name):
    model = make(name).eval()
    texts = model.embed_text(["fish", "grey sky", "unheard of"])
    torch.testing.assert_close(texts.norm(dim=-1), torch.ones(3))
    images = batch().images
    for regions in ("predicted", "none", "clusters"):
        assert model.score_maps(images, texts, regions).shape == (4, 3, 8, 8)
    given = torch.zeros(4, 3, 32, 32, dtype=torch.bool)
    given[:, 0, :16], given[:, 1, 16:] = True, True  # the third is padding
    scores = model.score_maps(images, texts, given)
    assert scores.shape == (4, 3, 32, 32)
    assert torch.equal(scores[:, :, :16], scores[:, :, :1, :1].expand(-1, -1, 16, 32))


@pytest.mark.parametrize("name", NAMES)
def test_models_of_two_vocabularies_do_not_mix(name):
    state = make(name).state_dict()
    other = build(name, SETTINGS[name], MODEL, ["cat", "red", "hut", "sea"])
    if name in NAMELESS:  # a checkpoint knows its words (test_checkpoint)
        other.load_state_dict(state)
        return
    with pytest.raises(ValueError, match="another vocabulary"):
        other.load_state_dict(state)


def test_settings_live_with_their_methods():
    assert {name: kind.Settings for name, kind in METHODS.items()} == METHOD_SETTINGS


def test_unknown_methods_and_keys_answer_with_what_there_is():
    with pytest.raises(params.ParamError, match="method is 'opensegg'; accepted: openseg, masks, clip_dense"):
        build("opensegg", {}, MODEL, WORDS)
    with pytest.raises(params.ParamError, match=r"methods\.lseg\.heat is 1: there is no such key"):
        build("lseg", {"temperature": 0.1, "heat": 1}, MODEL, WORDS)
    with pytest.raises(params.ParamError, match=r"lacks model\.embed_dim"):
        build("lseg", SETTINGS["lseg"], {k: v for k, v in MODEL.items() if k != "embed_dim"}, WORDS)


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("openseg", {"kp": 0}, r"methods\.openseg\.kp is 0\.0; accepted: above 0"),
        ("openseg", {"alpha": -1}, r"methods\.openseg\.alpha is -1\.0; accepted: at least 0"),
        (
            "openseg",
            {"regions": "slic"},
            r"methods\.openseg\.regions is 'slic'; accepted: learnt, frozen, grid",
        ),
        ("openseg", {"region_temperature": 0}, r"methods\.openseg\.region_temperature is 0\.0"),
        ("masks", {"num_regions": 0}, r"methods\.masks\.num_regions is 0; accepted: at least 1"),
        ("clip_dense", {"text": "image"}, r"methods\.clip_dense\.text is 'image'; accepted: caption, words"),
        ("lseg", {"temperature": 0}, r"methods\.lseg\.temperature is 0\.0; accepted: above 0"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(method, change, message):
    with pytest.raises(params.ParamError, match=message):
        make(method, **change)


def test_a_threshold_reads_scores_at_the_temperature_that_made_them():
    openseg, lseg = (build(method, SETTINGS[method], MODEL, WORDS) for method in ("openseg", "lseg"))
    assert temperature_of(openseg) == pytest.approx(0.07)
    assert temperature_of(lseg) == pytest.approx(0.07)
