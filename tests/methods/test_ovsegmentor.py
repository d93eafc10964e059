"""OVSegmentor's and GroupViT's own: schedule, variants, who has a gradient, how groups are read."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_methods import MODEL, batch, make

from ovseg_core.losses.contrastive import info_nce
from ovseg_core.methods.contrast import Contrast, has_all, true_of
from ovseg_core.methods.prompting import completion, prompted_names
from ovseg_core.models.text_tokens import mask_text, text_tokens
from ovseg_core.text.prompts import PROMPTS

OBJECTIVES = [
    "all_entities",
    "one_entity",
    "all_nouns",
    "multi_label_contrastive",
    "mlm_with_groups",
    "mlm",
    "none",
]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_row_of_table_4_trains(objective):
    model, given = make("ovsegmentor", objective=objective), batch()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    first = model(given)
    assert ("entity" in first) == (objective != "none")
    name = "contrastive" if objective == "none" else "entity"
    for _ in range(10):
        optimiser.zero_grad()
        sum(model(given).values()).backward()
        optimiser.step()
    assert model(given)[name] < first[name]


@pytest.mark.parametrize("objective", ["mlm", "mlm_with_groups", "all_entities"])
def test_a_batch_without_entities_has_no_entity_loss(objective):
    given = replace(batch(), entities=[[]] * 4, partner=[-1] * 4, shared=[""] * 4)
    losses = make("ovsegmentor", objective=objective)(given)
    assert (losses["entity"].item(), losses["mask"].item()) == (0, 0)


def test_completing_looks_at_the_groups_and_mlm_does_not():
    given, dark = batch(), replace(batch(), images=torch.zeros(4, 3, 32, 32))
    for objective, looks in (("all_entities", True), ("mlm_with_groups", True), ("mlm", False)):
        model = make("ovsegmentor", objective=objective, mask_weight=0.0).eval()
        assert (model(given)["entity"].item() != model(dark)["entity"].item()) == looks, objective


def test_captions_of_several_entities_are_completed_in_one_prompt():
    captions = ["Two cats on a sofa", "a quiet day"]
    made = completion(captions, [["cat", "sofa"], ["cat"]], "[MASK]", "single", seed=0)
    assert made.masked == ["Two [MASK] on a [MASK]", "a quiet day"]
    assert made.prompts == ["cat and sofa", "a quiet day"]
    assert made.answers == [["cat", "sofa"], []]
    one = completion(captions, [["cat", "sofa"], []], "#", "single", seed=0, one=True)
    assert one.masked[0] in ("Two # on a sofa", "Two cats on a #")
    assert one.prompts[0] in ("cat", "sofa")


def test_prompts_come_from_the_80_templates_by_the_seed():
    drawn = [completion(["a cat"], [["cat"]], "#", "ensemble_80", seed).prompts[0] for seed in range(200)]
    assert set(drawn) <= {template.replace("{}", "cat") for template in PROMPTS["ensemble_80"]}
    assert len(set(drawn)) > 60
    nouns, texts = prompted_names(["a cat, a dog and a cow"], [["cat", "dog", "cow"]], 2, "photo", 1)
    assert len(nouns[0]) == 2
    assert set(nouns[0]) < {"cat", "dog", "cow"}
    assert texts[0] == [f"a photo of a {noun}" for noun in nouns[0]]


def test_a_noun_that_an_image_shows_is_no_negative_of_it():
    same = true_of([["cat", "dog"], ["dog"], []], [["cat", "dog"], ["dog"], []], count=2)
    # image 0 has all of them; image 1 the second of image 0 and its own; image 2 none
    assert same.tolist() == [
        [[True, True], [True, False], [False, False]],
        [[False, True], [True, False], [False, False]],
        [[False, False], [False, False], [False, False]],
    ]


@pytest.mark.parametrize("mask_negatives", [True, False])
def test_a_prompt_whose_names_an_image_has_is_no_negative_of_it(mask_negatives):
    names = [["cat", "dog"], ["dog"], ["cat"], ["dog"]]
    asked = [["cat", "dog"], ["dog"], [], ["dog"]]  # the third asks for nothing
    rows = [0, 1, 3]
    own = torch.tensor([[True, True, True], [False, True, True], [False, True, True]])
    assert torch.equal(has_all(names, asked)[rows][:, rows], own)
    one, other = torch.rand(2, 4, 8, generator=torch.Generator().manual_seed(0))
    contrast = Contrast(batch(), torch.tensor(0.1), mask_negatives, sync=False)
    expected = info_nce(one[rows], other[rows], torch.tensor(0.1), own if mask_negatives else None)
    torch.testing.assert_close(contrast.completions(one, other, names, asked), expected)
    assert contrast.completions(one, other, names, [[], [], [], []]) == 0


def test_lambda_is_0_in_the_first_stage():
    model = make("ovsegmentor", mask_from=0.75)
    early, late = replace(batch(), step=74, steps=100), replace(batch(), step=75, steps=100)
    assert model(early)["mask"].item() == 0
    assert model(late)["mask"].item() > 0
    once, twice = (make("ovsegmentor", mask_weight=weight)(batch())["mask"].item() for weight in (0.1, 0.2))
    assert twice == pytest.approx(2 * once, rel=1e-5)


def test_targets_are_of_the_momentum_model_and_have_no_gradient():
    model, given = make("ovsegmentor", momentum=0.9), batch()
    model(given)["mask"].backward()
    assert model.image.assignment.query.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in model.momentum.parameters())
    before = model.momentum.model.assignment.query.weight.clone()
    with torch.no_grad():
        model.image.assignment.query.weight.add_(1.0)
    model(replace(given, step=1))
    torch.testing.assert_close(model.momentum.model.assignment.query.weight, before + 0.1)
    kept = model.momentum.model.assignment.query.weight.clone()
    model.eval()(replace(given, step=2))  # an evaluation moves nothing
    assert torch.equal(model.momentum.model.assignment.query.weight, kept)
    assert make("ovsegmentor", momentum=None).momentum is None
    assert make("ovsegmentor", momentum=None)(given)["mask"].item() > 0


def test_masks_of_a_pair_come_from_both_images_groups():
    """Eq. 10: M from the image's own groups, M^ from those of the other image on its features."""
    model, given = make("ovsegmentor", ratio=1.0).eval(), batch()
    found, slow = model.encode(given.images), model.encode(given.images.flip(-1))
    rows, others = torch.tensor([0, 2]), torch.tensor([1, 3])
    predicted, target = model._masks_of_pairs(found, slow, rows, others, ["sky", "sky"], ratio=1.0)
    logits = model.image.assignment.logits
    torch.testing.assert_close(predicted, logits(found.queries[others], found.keys[rows]).transpose(1, 2))
    torch.testing.assert_close(target, logits(slow.queries[rows], slow.keys[rows]).transpose(1, 2))


def test_the_picture_of_a_pair_shows_the_group_nearest_to_the_entity():
    model, given = make("ovsegmentor", momentum=None).eval(), batch()
    shown, found = model.picture(given), model.encode(given.images)
    row = next(row for row, other in enumerate(given.partner) if other >= 0)
    names = F.normalize(model._shared_entities([given.shared[row]]), dim=-1)
    nearest = (F.normalize(model.project(found.groups[row]), dim=-1) @ names[0]).argmax()
    logits = model.image.assignment.logits(found.queries[row, nearest][None, None], found.keys[row][None])
    expected = (255 * logits[0, :, 0].sigmoid()).round().view(found.size).to(torch.uint8)
    torch.testing.assert_close(shown["own"][row], expected)


def test_a_pair_that_is_one_image_twice_has_the_masks_of_itself():
    """Same image, same weights: M^ equals M, so that only the threshold keeps the loss from 0."""
    given = batch()
    twice = replace(given, images=given.images[:2].repeat(2, 1, 1, 1), partner=[2, 3, 0, 1])
    model = make("ovsegmentor", ratio=1.0, mask_weight=1.0).eval()
    with torch.no_grad():
        model.image.assignment.query.weight.mul_(1000)
        model.momentum.model.load_state_dict(model.image.state_dict())
        assert 3 * model(twice)["mask"].item() < model(given)["mask"].item()


def test_scores_are_affinity_times_cosines():
    """Eq. 1, from its parts."""
    model = make("ovsegmentor").eval()
    images = batch().images
    texts = model.embed_text(["fish", "sky"])
    found = model.encode(images)
    cosines = F.normalize(model.project(found.groups), dim=-1) @ texts.T  # (B, K, T)
    expected = (found.affinity @ cosines).transpose(1, 2).unflatten(2, found.size)
    torch.testing.assert_close(model.score_maps(images, texts), expected)
    torch.testing.assert_close(model.proposals(images).sum(1), torch.ones(4, 8, 8))


@pytest.mark.parametrize("binding", ["slots", "grouping_block"])
@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_the_authors_variants_train(binding, projection):
    tokens = 6 if binding == "grouping_block" else None
    model = make("ovsegmentor", binding=binding, group_tokens=tokens, projection=projection)
    sum(model(batch()).values()).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("tower", ["small", "open_clip:ViT-B-32"])
def test_token_features_end_in_what_the_tower_says_of_a_text(tower):
    model = make("ovsegmentor", model={**MODEL, "text": {**MODEL["text"], "tower": tower}}).eval()
    texts = ["fish", f"red {mask_text(model.text)} and a {mask_text(model.text)}, sky"]
    tokens = text_tokens(model.text, texts)
    assert tokens.masked.sum(1).tolist() == [0, 2]
    torch.testing.assert_close(tokens.end.sum(1), torch.ones(2))
    if tower == "small":
        whole = model.text.project(tokens.whole(tokens.features))
    else:
        whole = model.text.project(tokens.whole(tokens.features) @ model.text.tower.text_projection)
    torch.testing.assert_close(whole, model.text(texts), rtol=1e-4, atol=1e-5)


def test_groupvit_draws_its_noise_from_the_batch():
    model, given = make("groupvit"), batch()
    values = [model(replace(given, seed=seed))["contrastive"].item() for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert set(model(given)) == {"contrastive", "multi_label"}
    assert set(make("groupvit", num_prompts=0)(given)) == {"contrastive"}


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("ovsegmentor", {"ratio": 0}, r"methods\.ovsegmentor\.ratio is 0\.0; accepted: above 0"),
        ("ovsegmentor", {"momentum": 1.0}, r"methods\.ovsegmentor\.momentum is 1\.0; accepted: from 0"),
        ("ovsegmentor", {"group_tokens": 9}, r"methods\.ovsegmentor\.group_tokens is 9; accepted: null"),
        ("ovsegmentor", {"objective": "some"}, r"methods\.ovsegmentor\.objective is 'some'; accepted: all_e"),
        (
            "ovsegmentor",
            {"layers": [6]},
            r"methods\.ovsegmentor\.layers is \(6,\); accepted: \[before, behind",
        ),
        ("groupvit", {"num_groups": [8, 64]}, r"methods\.groupvit\.num_groups is \(8, 64\)"),
        ("groupvit", {"prompts": "none"}, r"methods\.groupvit\.prompts is 'none'; accepted: single"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(method, change, message):
    with pytest.raises(ValueError, match=message):
        make(method, **change)
