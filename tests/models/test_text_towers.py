"""Tokenizer, the small tower, open_clip towers."""

import pytest
import torch
from safetensors.torch import save_file

from ovseg_core import params
from ovseg_core.models.settings import TextSettings
from ovseg_core.models.text_towers import build_text_tower, embed
from ovseg_core.models.tokenizer import PAD, UNKNOWN, WordTokenizer

SMALL = {"tower": "small", "width": 16, "layers": 1, "start": "random", "weights": None, "frozen": False}
CLIP = {**SMALL, "tower": "open_clip:RN50", "frozen": True}
WORDS = ["fish", "red fish", "t-shirt"]


def tower(words=WORDS, embed_dim=8, **change):
    torch.manual_seed(0)
    return build_text_tower(params.build({**SMALL, **change}, "model.text", TextSettings), words, embed_dim)


def test_tokens_are_the_single_words_of_the_vocabulary():
    tokenizer = WordTokenizer(WORDS)
    assert tokenizer.words == ["fish", "red", "t-shirt"]
    assert tokenizer(["Red fish!", "fish", "a t-shirt", "..."]).tolist() == [
        [3, 2],
        [2, PAD],
        [UNKNOWN, 4],
        [UNKNOWN, PAD],
    ]


def test_a_text_is_read_by_any_of_its_words():
    tokenizer = WordTokenizer(WORDS)
    assert [tokenizer.reads(text) for text in ("the Red sea", "the sea", "")] == [True, False, False]


def test_long_texts_are_cut_and_no_texts_are_an_empty_table():
    assert WordTokenizer(WORDS, max_words=3)(["fish " * 9]).tolist() == [[2, 2, 2]]
    assert WordTokenizer(WORDS)([]).shape[0] == 0


def test_embeddings_have_unit_length_and_do_not_depend_on_their_neighbours():
    built = tower().eval()
    together = embed(built, ["fish", "red fish red fish"])
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(embed(built, ["fish"])[0], together[0])


def test_the_order_of_words_counts_when_there_are_layers():
    texts = ["red fish", "fish red"]
    ordered = embed(tower(), texts)
    assert not torch.allclose(ordered[0], ordered[1], atol=1e-3)
    bag = embed(tower(layers=0), texts)
    torch.testing.assert_close(bag[0], bag[1])


def test_without_layers_words_start_near_nothing_and_in_different_directions():
    built = tower(layers=0, embed_dim=16)
    assert built.embedding.weight.std() < 0.02
    texts = built(["fish", "t-shirt"])
    torch.testing.assert_close(texts.norm(dim=-1), built.embedding.weight[[2, 4]].norm(dim=-1))  # rotated


def test_without_layers_words_that_were_never_read_say_nothing():
    built = tower(layers=0, width=16)  # through a projection, whose bias says nothing either
    torch.nn.init.ones_(built.project.bias)
    said = built(["fish", "a fish of the sea", "the sea"])
    torch.testing.assert_close(said[1], said[0])
    assert said[2].eq(0).all()
    embed(built, ["the sea"]).sum().backward()
    assert all(p.grad.isfinite().all() for p in built.parameters() if p.grad is not None)
    assert tower()(["the sea"]).ne(0).any()  # layers read unknown words too: where they stand matters


def test_no_texts_still_hang_on_the_weights():
    built = tower()
    built([]).sum().backward()
    assert all(p.grad is not None for p in built.parameters())


def test_it_knows_which_words_it_was_built_with():
    assert tower().knows("red t-shirt")
    assert not tower().knows("blue fish")


def test_a_checkpoint_of_another_vocabulary_is_refused():
    state = tower().state_dict()
    tower().load_state_dict(state)
    with pytest.raises(ValueError, match="another vocabulary"):
        tower(words=["fish", "red", "sky"]).load_state_dict(state)  # as many words, others


def test_an_open_clip_tower_without_its_image_side():
    built = tower(**CLIP, embed_dim=1024)  # RN50 embeds in 1024, so nothing is put behind it
    assert isinstance(built.project, torch.nn.Identity)
    assert not any(p.requires_grad for p in built.parameters())
    first = embed(built.train(), ["a fish", "grass"])
    assert first.shape == (2, 1024)
    assert set(built.known) == {"a fish", "grass"}
    built.tower = None  # known texts ask the tower no more
    with pytest.raises(AttributeError):
        embed(built, ["new"])


def test_open_clip_weights_load_from_either_layout(tmp_path):
    source = tower(**CLIP).tower.state_dict()
    for prefix in ("", "text."):
        path = tmp_path / f"{len(prefix)}.safetensors"
        save_file({prefix + k: v + 1 for k, v in source.items() if k != "attn_mask"}, path)
        loaded = tower(**CLIP | {"weights": str(path)}).tower.state_dict()
        torch.testing.assert_close(loaded["ln_final.weight"], source["ln_final.weight"] + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tower": "bert"}, r"model\.text\.tower is 'bert'; accepted: small, or open_clip:<name>"),
        ({"tower": "open_clip:ViT-B-33"}, r"open_clip has no 'ViT-B-33'; near: .*ViT-B-32"),
        ({"tower": "open_clip:roberta-ViT-B-32"}, r"would be fetched"),
        ({"tower": "open_clip:RN50", "weights": "laion"}, r"model\.text\.weights is 'laion'.*openai"),
        ({"frozen": True}, r"model\.text\.frozen is True; accepted: false for `small`"),
        ({"weights": "w.safetensors"}, r"model\.text\.weights.*null for `small`"),
        ({"layers": -1}, r"model\.text\.layers is -1"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(change, message):
    with pytest.raises(params.ParamError, match=message):
        tower(**change)
