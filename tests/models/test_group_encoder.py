"""The visual encoders of OVSegmentor and GroupViT, and the momentum model that follows one."""

import copy

import pytest
import torch
from torch import nn

from ovseg_core import params
from ovseg_core.models.group_encoder import GroupEncoder, GroupViT
from ovseg_core.models.momentum import Momentum
from ovseg_core.models.settings import ImageSettings
from ovseg_core.models.tokens import timm_vit
from ovseg_core.params import ParamError

VIT = {
    "backbone": "timm:vit_tiny_patch16_224",
    "weights": None,
    "frozen": False,
    "frozen_norm": False,
    "normalize": "imagenet",
    "levels": [4],
    "components": None,
    "final_map": False,
    "output_stride": 32,
    "options": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "num_heads": 2, "depth": 4},
    "width": 32,
}
CONV = {**VIT, "backbone": "conv", "normalize": "half", "levels": [2, 3], "options": {}}


def image_settings(given=VIT, **change):
    return params.build({**given, **change}, "model.image", ImageSettings)


def encoder(given=VIT, num_groups=3, before=2, after=2, keep=True, bind="slots", tokens=None, **change):
    torch.manual_seed(0)
    settings = image_settings(given, **change)
    return GroupEncoder(settings, bind, tokens or num_groups, num_groups, before, after, 8, keep).eval()


def test_a_vit_without_its_groups_is_timms_own():
    """Patches, positions and layers come from timm, with its weights: only the class token is gone."""
    torch.manual_seed(0)
    own = encoder(num_groups=1)
    torch.manual_seed(0)
    vit = timm_vit(image_settings()).eval()
    image = torch.rand(1, 3, 32, 32)
    tokens = own.stem(own.stem.maps(image)).flatten(2).transpose(1, 2)
    normalize = own.stem.normalize
    theirs = vit._pos_embed(vit.patch_embed(normalize(image)))[:, 1:]
    torch.testing.assert_close(tokens, theirs)
    torch.testing.assert_close(own.before(tokens), vit.blocks[1](vit.blocks[0](tokens)))
    torch.testing.assert_close(own.norm(own.after(tokens)), vit.norm(vit.blocks[3](vit.blocks[2](tokens))))


@pytest.mark.parametrize("given", [VIT, CONV])
@pytest.mark.parametrize("keep", [True, False])
def test_groups_and_affinities(given, keep):
    model = encoder(given, keep=keep)
    side = 4 if given is VIT else 8  # 32 pixels in patches of 8, or at stride 4
    found = model(model.stem.maps(torch.rand(2, 3, 32, 32)))
    assert found.groups.shape == (2, 3, 32)
    assert found.tokens.shape == (2, side * side, 32)
    assert found.masks.shape == (2, 3, side, side)
    torch.testing.assert_close(found.masks.sum(1), torch.ones(2, side, side))


def test_groups_alone_behind_the_binding_are_not_the_groups_beside_tokens():
    images = torch.rand(2, 3, 32, 32)
    with_tokens, alone = encoder(keep=True), encoder(keep=False)
    first, second = (model(model.stem.maps(images)) for model in (with_tokens, alone))
    torch.testing.assert_close(first.affinity, second.affinity)
    assert not torch.allclose(first.groups, second.groups, atol=1e-3)


def test_images_of_another_size_are_taken():
    model = encoder()
    assert model(model.stem.maps(torch.rand(1, 3, 48, 64))).size == (6, 8)
    assert model(model.stem.maps(torch.rand(1, 3, 33, 50))).size == (4, 6)  # resized to 32 x 48


def test_the_binding_of_the_authors_code_mixes_more_tokens_to_k():
    model = encoder(bind="grouping_block", tokens=6, num_groups=3)
    found = model(model.stem.maps(torch.rand(2, 3, 32, 32)))
    assert (found.groups.shape, found.affinity.shape) == ((2, 3, 32), (2, 16, 3))


def test_groupvit_assigns_every_location_to_one_of_the_last_groups():
    torch.manual_seed(0)
    model = GroupViT(image_settings(), [6, 3], [1, 1, 1], 8)
    images = torch.rand(2, 3, 32, 32)
    soft = model(model.stem.maps(images), torch.Generator().manual_seed(0))
    torch.testing.assert_close(soft.affinity.sum(-1), torch.ones(2, 16))
    hard = model.eval()(model.stem.maps(images))
    assert (hard.groups.shape, hard.masks.shape) == ((2, 3, 32), (2, 3, 4, 4))
    torch.testing.assert_close(hard.affinity.amax(-1), torch.ones(2, 16))


def test_more_groups_than_tokens_are_refused():
    model = encoder(num_groups=17)
    with pytest.raises(ParamError, match="17 groups, but an image has 16 tokens"):
        model(model.stem.maps(torch.rand(1, 3, 32, 32)))
    with pytest.raises(ParamError, match=r"5 transformer layers are asked for.*has 4"):
        encoder(before=3)
    with pytest.raises(ParamError, match=r"model\.image\.frozen is True"):
        encoder(frozen=True)


def test_the_momentum_model_follows_to_the_bit():
    torch.manual_seed(0)
    weights = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    slow = Momentum(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), 0.99)
    slow.follow(weights, 0)  # of other weights, it first becomes a copy
    expected = copy.deepcopy(weights).state_dict()
    for step in range(1, 4):
        with torch.no_grad():
            for parameter in weights.parameters():
                parameter.add_(torch.randn_like(parameter))
            weights[1].running_mean.add_(1.0)
        slow.follow(weights, step)
        slow.follow(weights, step)  # a second part of the same update changes nothing
        for name, parameter in weights.named_parameters():
            expected[name] = expected[name] * 0.99 + (1 - 0.99) * parameter.detach()
    found = slow.model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name, _ in weights.named_parameters())
    assert found["1.running_mean"].tolist() == [3.0] * 3  # buffers are copied
    assert not any(parameter.requires_grad for parameter in slow.parameters())
    assert not slow.train().model.training
