"""Queries, cross-attention, position embeddings, heads of regions."""

from types import SimpleNamespace

import pytest
import torch

from ovseg_core.masks.pooling import pool
from ovseg_core.models.cross_attention import CrossAttention, MaskQueries
from ovseg_core.models.mask_proposer import MaskProposer, SemanticHead


def queries(**change):
    torch.manual_seed(0)
    return MaskQueries(**{"num_queries": 5, "width": 32, "layers": 3, "positions": 4, **change})


def test_logits_are_dot_products_with_position_augmented_features():
    built, features = queries(), torch.rand(2, 32, 4, 4)
    logits, rows = built(features)
    located = features + built.positions
    expected = torch.einsum("bnd,bdhw->bnhw", built.to_mask(rows), located) / 32**0.5
    torch.testing.assert_close(logits, expected)


def test_positions_are_interpolated_for_other_sizes():
    built = queries()
    with torch.no_grad():
        built.positions.copy_(torch.arange(4.0).expand(1, 32, 4, 4))  # rises from left to right
    same = built.position_embedding(4, 4)
    assert torch.equal(same, built.positions)
    larger = built.position_embedding(4, 8)[0, 0, 0]
    assert larger.shape == (8,)
    # a pixel of twice the size sits at (i + 0.5) / 2 - 0.5; linear inside, so bicubic is exact there
    assert larger[3:5].tolist() == pytest.approx([1.25, 1.75], abs=0.05)
    assert built(torch.rand(1, 32, 6, 10))[0].shape == (1, 5, 6, 10)


def test_a_query_sees_locations_but_no_other_query():
    layer = CrossAttention(32, heads=2)
    locations, first = torch.rand(1, 16, 32), torch.rand(1, 3, 32)
    changed = first.clone()
    changed[0, 2] += 1
    before, after = layer(first, locations), layer(changed, locations)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])
    assert not torch.allclose(layer(first, locations + torch.rand(1, 16, 32)), before)


@pytest.mark.parametrize("number", [3, 40])  # 2 heads x 3 < 32 <= 2 x 40
def test_a_round_is_attention_whichever_side_is_projected(number):
    torch.manual_seed(0)
    layer = CrossAttention(32, heads=2).double()
    queries, locations = torch.rand(2, number, 32).double(), torch.rand(2, 16, 32).double()
    asked, keys, values = (
        part(x).unflatten(-1, (2, 16)).transpose(1, 2)
        for part, x in (
            (layer.query, layer.norms[0](queries)),
            (layer.key, locations),
            (layer.value, locations),
        )
    )
    gathered = torch.nn.functional.scaled_dot_product_attention(asked, keys, values)
    expected = queries + layer.out(gathered.transpose(1, 2).reshape(2, number, 32))
    expected = expected + layer.mlp(layer.norms[1](expected))
    torch.testing.assert_close(layer(queries, locations), expected)


def test_the_module_is_stacked_as_often_as_asked():
    assert len(MaskProposer(32, num_queries=4, layers=3, positions=4).queries.layers) == 3


def test_the_two_heads_pool_after_and_before():
    torch.manual_seed(0)
    features, masks = torch.rand(1, 16, 4, 4), torch.rand(1, 3, 4, 4)
    sizes = SimpleNamespace(width=16, last_width=16)
    conv, mlp = SemanticHead("conv", sizes, 8), SemanticHead("mlp", sizes, 8)
    torch.testing.assert_close(conv.regions(features, masks), pool(conv.dense(features), masks))
    torch.testing.assert_close(mlp.regions(features, masks), mlp.head(pool(features, masks)))
    everything = torch.ones(1, 1, 8, 8)  # of another size than the features
    for head in (conv, mlp):
        torch.testing.assert_close(head.whole(features), head.regions(features, everything)[:, 0])
    one = torch.zeros(1, 1, 4, 4)
    one[0, 0, 1, 2] = 1  # a region of one location is that location
    torch.testing.assert_close(mlp.regions(features, one)[0, 0], mlp.dense(features)[0, :, 1, 2])
