"""MaskCLIP on vision transformers of open_clip with random weights, in both of its attention layouts."""

import copy
import math

import open_clip
import pytest
import torch
from open_clip.model import _build_vision_tower
from small_methods import MODEL
from training_sections import DATA, TRAIN

from ovseg_core import files, params
from ovseg_core.methods.maskclip import denoised, smoothed
from ovseg_core.methods.registry import build
from ovseg_core.models import clip_tokens
from ovseg_core.models.clip_tokens import value_path
from ovseg_core.training.checkpoint import load_model
from ovseg_core.training.identity import Job
from ovseg_core.training.job import run_job
from ovseg_core.training.loop import Worker

VISION = {"image_size": 32, "layers": 3, "width": 64, "head_width": 16, "patch_size": 8}
CUSTOM = {
    "scale_heads": True,
    "scale_attn_inner": True,
    "scale_attn": True,
    "scale_fc": True,
    "qk_norm": True,
}
LAYOUTS = {"multihead": {}, "custom": CUSTOM, "layer scale": {"ls_init_value": 0.3}}
PLAIN = {"tokens": "value", "key_smoothing": None, "prompt_denoising": None}


def tower(layout):
    torch.manual_seed(0)
    vit = _build_vision_tower(16, {**VISION, **LAYOUTS[layout]})
    for parameter in vit.parameters():  # also what starts at zero or one
        parameter.data += 0.1 * torch.randn_like(parameter)
    return vit.eval()


@pytest.fixture
def small_clip(monkeypatch):
    """An open_clip model that is small; its text side stays open_clip's own code."""
    config = {
        "embed_dim": 16,
        "vision_cfg": VISION,
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    known = open_clip.get_model_config
    monkeypatch.setattr(
        open_clip, "get_model_config", lambda name: copy.deepcopy(config) if name == "tiny" else known(name)
    )
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: open_clip.SimpleTokenizer())
    return {**MODEL, "text": {**MODEL["text"], "tower": "open_clip:tiny"}}


def make(model, **change):
    torch.manual_seed(0)
    return build("maskclip", {**PLAIN, **change}, model, ["fish"]).eval()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_value_path_is_a_layer_in_which_tokens_see_only_themselves(layout):
    """Computed by open_clip's own layer under a mask that leaves the diagonal alone."""
    vit = tower(layout)
    kind = type(vit.transformer.resblocks[-1].attn).__name__
    assert kind == ("Attention" if layout == "custom" else "MultiheadAttention")
    x = torch.randn(2, 17, 64)
    alone = torch.full((17, 17), -math.inf).fill_diagonal_(0.0)
    block = vit.transformer.resblocks[-1]
    with torch.no_grad():
        found, keys = value_path(block, x)
        torch.testing.assert_close(found, block(x, attn_mask=alone), atol=1e-5, rtol=0)
        weight, bias = block.attn.in_proj_weight[64:128], block.attn.in_proj_bias[64:128]
        torch.testing.assert_close(keys, block.ln_1(x) @ weight.T + bias, atol=1e-5, rtol=0)


def test_the_value_path_by_hand():
    vit = tower("multihead")
    block = vit.transformer.resblocks[-1]
    x = torch.randn(1, 5, 64)
    with torch.no_grad():
        normed = torch.nn.functional.layer_norm(x, (64,), block.ln_1.weight, block.ln_1.bias)
        value = normed @ block.attn.in_proj_weight[128:].T + block.attn.in_proj_bias[128:]
        y = x + value @ block.attn.out_proj.weight.T + block.attn.out_proj.bias
        normed = torch.nn.functional.layer_norm(y, (64,), block.ln_2.weight, block.ln_2.bias)
        hidden = normed @ block.mlp.c_fc.weight.T + block.mlp.c_fc.bias
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        y = y + hidden @ block.mlp.c_proj.weight.T + block.mlp.c_proj.bias
        torch.testing.assert_close(value_path(block, x)[0], y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plain_tokens_are_those_of_open_clip(layout, monkeypatch, small_clip):
    vit = tower(layout)
    monkeypatch.setattr(clip_tokens, "image_side", lambda settings: vit)
    model = make(small_clip)
    images = torch.rand(2, 3, 32, 32)
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN)[:, None, None]
    deviation = torch.tensor(open_clip.OPENAI_DATASET_STD)[:, None, None]
    with torch.no_grad():
        vit.output_tokens = True
        _, tokens = vit((images - mean) / deviation)
        found, _ = model.image(images, value=False)
    expected = (tokens @ vit.proj).transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_images_of_any_size_have_their_grid(small_clip):
    model = make(small_clip)
    texts = model.embed_text(["fish", "sea"])
    assert model.score_maps(torch.rand(1, 3, 45, 64), texts).shape == (1, 2, 6, 8)
    masks = torch.zeros(1, 1, 45, 64, dtype=torch.bool)
    masks[:, :, :20] = True
    assert model.score_maps(torch.rand(1, 3, 45, 64), texts, masks).shape == (1, 2, 45, 64)
    assert make(small_clip, tokens="plain").score_maps(torch.rand(1, 3, 32, 32), texts).shape == (1, 2, 4, 4)


def test_a_text_that_is_nowhere_is_taken_out():
    shares = torch.tensor([[[0.7, 0.2], [0.2, 0.45], [0.1, 0.35]]])  # (1, 3 texts, 2 patches)
    kept = denoised(shares.log(), 0.4).softmax(1)
    # the third is never above 0.4: the rest is shared out anew
    expected = torch.tensor([[[0.7 / 0.9, 0.2 / 0.65], [0.2 / 0.9, 0.45 / 0.65], [0.0, 0.0]]])
    torch.testing.assert_close(kept, expected)
    assert denoised(shares.log(), 1.0).softmax(1)[0, 0].tolist() == pytest.approx([1, 1])  # one always stays


def test_unsure_patches_take_what_like_patches_say():
    shares = torch.tensor([[[0.9, 0.5, 0.2], [0.1, 0.5, 0.8]]])
    keys = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.6, 0.8]]])
    # the second patch has cosines 0.6, 1 and 0.6
    mixed = (0.6 * 0.9 + 0.5 + 0.6 * 0.2) / 2.2
    expected = torch.tensor([[[0.9, mixed, 0.2], [0.1, 1 - mixed, 0.8]]])
    torch.testing.assert_close(smoothed(shares, keys, 0.6), expected)
    assert torch.equal(smoothed(shares, keys, 0.5), shares)


def test_refined_scores_are_probabilities_under_the_temperature(small_clip):
    images = torch.rand(2, 3, 32, 32)
    plain, refined = make(small_clip), make(small_clip, key_smoothing=1.0, prompt_denoising=0.4)
    texts = plain.embed_text(["fish", "sea", "a red house"])
    shares = (refined.score_maps(images, texts) / refined.log_temperature.exp()).softmax(1)
    assert torch.isfinite(shares).all()
    assert not torch.allclose(shares, (plain.score_maps(images, texts) / 0.01).softmax(1), atol=1e-3)


def test_a_run_of_it_trains_nothing_and_is_one_entry(small_clip, tmp_path):
    from tiny_data import make_corpus

    corpus = make_corpus(tmp_path / "corpus", captioned=[3], labelled=[])
    run = {
        "run": "maskclip",
        "method": "maskclip",
        "settings": PLAIN,
        "model": small_clip,
        "train": TRAIN,
        "data": {**DATA, "scale_jitter": [1.0, 1.0], "labelled": 0.0, "pseudo": None},
    }
    job = Job(run=run, seed=0, data=str(corpus), folder=str(tmp_path / "work"), corpus="x")
    run_job(job, Worker())
    assert files.read_json(job.done)["trains"] is False
    summary = files.read_json(files.join(job.model, "summary.json"))
    assert (summary["steps"], summary["trained_parameters"], summary["losses"]) == (0, 0, {})
    model, images = load_model(job.model), torch.rand(1, 3, 32, 32)
    texts = model.embed_text(["fish", "sea"])
    assert torch.equal(model.score_maps(images, texts), make(small_clip).score_maps(images, texts))


def test_what_is_no_such_model_is_refused(small_clip):
    def refused(message, tower, embed_dim=16):
        model = {**small_clip, "text": {**small_clip["text"], "tower": tower}, "embed_dim": embed_dim}
        with pytest.raises(params.ParamError, match=message):
            make(model)

    refused(r"model\.text\.tower is 'small'; accepted for maskclip", "small")
    refused(r"image side is a ModifiedResNet; accepted", "open_clip:RN50")
    refused(r"open_clip has no 'tinny'", "open_clip:tinny")
    refused(r"model\.embed_dim is 17; accepted: 16", "open_clip:tiny", 17)
    with pytest.raises(params.ParamError, match=r"methods\.maskclip\.key_smoothing is 2\.0"):
        make(small_clip, key_smoothing=2.0)
