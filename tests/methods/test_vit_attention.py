"""Attention heads as masks, against the softmax of queries and keys computed here."""

import copy

import pytest
import torch
from small_methods import MODEL

from ovseg_core.masks.attention import keep_mass
from ovseg_core.methods.registry import build
from ovseg_core.models.normalize import NORMALIZE
from ovseg_core.params import ParamError
from ovseg_core.training import checkpoint

OPTIONS = {"depth": 2, "embed_dim": 12, "num_heads": 3, "patch_size": 8, "img_size": 32}


def make(backbone="timm:vit_tiny_patch16_224", **change):
    model = copy.deepcopy(MODEL)
    options = {**OPTIONS, **change} if backbone != "conv" else {}
    model["image"] |= {"backbone": backbone, "normalize": "imagenet", "options": options}
    torch.manual_seed(0)
    return build("vit_attention", {"share": 0.6}, model, []).eval()


def test_the_highest_values_that_hold_the_share_are_kept():
    attention = torch.tensor([[[[0.5, 0.2, 0.2, 0.1]], [[0.1, 0.1, 0.7, 0.1]], [[0.0, 0.0, 0.0, 0.0]]]])
    # 0.5 + 0.2 reach 0.6 (of equals the first); 0.7 alone does; nothing is nothing
    assert keep_mass(attention, 0.6).int().tolist() == [[[[1, 1, 0, 0]], [[0, 0, 1, 0]], [[0, 0, 0, 0]]]]
    assert keep_mass(attention, 1.0)[0, 0].all()


@torch.inference_mode()
@pytest.mark.parametrize("size", [(32, 32), (24, 50)])
def test_a_head_is_what_the_class_token_attends_to(size):
    method = make()
    vit = method.extract.model
    images = torch.rand(2, 3, *size)
    found = method.attention(images)
    grid = (round(size[0] / 8), round(size[1] / 8))
    assert found.shape == (2, 3, *grid)
    fitted = torch.nn.functional.interpolate(images, [8 * side for side in grid], mode="bilinear")
    mean, deviation = (torch.tensor(value)[:, None, None] for value in NORMALIZE["imagenet"])
    x = vit._pos_embed(vit.patch_embed((fitted - mean) / deviation))
    x = vit.blocks[1].norm1(vit.blocks[0](x))
    query, key, _ = vit.blocks[1].attn.qkv(x).unflatten(-1, (3, 3, 4)).movedim(3, 1).unbind(3)
    weights = torch.einsum("bnd,bnld->bnl", query[:, :, 0], key).div(4**0.5).softmax(-1)[..., 1:]
    torch.testing.assert_close(found.flatten(2), weights, rtol=1e-4, atol=1e-6)
    masks = method.proposals(images)
    assert (masks == keep_mass(found, 0.6)).all()


@torch.inference_mode()
def test_it_is_saved_and_loaded_as_it_is(tmp_path):
    method = make()
    model = copy.deepcopy(MODEL)
    model["image"] |= {"backbone": "timm:vit_tiny_patch16_224", "normalize": "imagenet", "options": OPTIONS}
    config = {"method": "vit_attention", "settings": {"share": 0.6}, "model": model, "words": []}
    checkpoint.save_model(str(tmp_path), method.state_dict(), config)
    images = torch.rand(1, 3, 32, 32)
    loaded = checkpoint.load_model(tmp_path)
    assert (loaded.attention(images) == method.attention(images)).all()


def test_a_backbone_without_a_class_token_is_refused():
    with pytest.raises(ParamError, match=r"backbone is 'conv'; accepted: a vision transformer"):
        make("conv")
    with pytest.raises(ParamError, match="one with a class token"):
        make(class_token=False, global_pool="avg")
