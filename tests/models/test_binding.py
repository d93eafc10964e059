"""Eq. 3-6 of OVSegmentor on numbers small enough for a pencil, and GroupViT's hard assignment."""

import math

import pytest
import torch

from ovseg_core.models.binding import Assignment, SlotAttention, gumbel, straight_through
from ovseg_core.models.grouping_block import GroupingBlock


def plain(width=1, out=1.0, **options):
    """A slot attention whose maps are the identity, W_o `out` times it."""
    slots = SlotAttention(width, norms=False, **options)
    with torch.no_grad():
        for layer in (slots.assignment.query, slots.assignment.key, slots.assignment.value):
            layer.weight.copy_(torch.eye(width))
            layer.bias.zero_()
        slots.assignment.out.weight.copy_(out * torch.eye(width))
        slots.assignment.out.bias.zero_()
    return slots


def test_slot_attention_matches_the_values_worked_out_by_hand():
    groups = torch.tensor([[[0.0], [math.log(3)]]])  # Q = G' = [0, ln 3]
    tokens = torch.tensor([[[1.0], [-1.0]]])  # K = V = I' = [1, -1]
    slots = plain(out=2.0)
    bound, queries, keys = slots(groups, tokens)
    # Eq. 4: token 1 has logits [0, ln 3] -> [1/4, 3/4], token 2 [0, -ln 3] -> [3/4, 1/4]
    affinity = slots.assignment.affinity(slots.assignment.logits(queries, keys))
    torch.testing.assert_close(affinity[0], torch.tensor([[0.25, 0.75], [0.75, 0.25]]))
    # Eq. 5: (1/4 - 3/4) / 1 = -1/2 and (3/4 - 1/4) / 1 = 1/2; Eq. 6 with W_o = 2: [0 - 1, ln 3 + 1]
    torch.testing.assert_close(bound[0, :, 0], torch.tensor([-1.0, math.log(3) + 1]))


def test_the_mean_is_weighted_and_does_not_grow_with_the_tokens():
    slots = plain()
    groups = torch.zeros(1, 2, 1)  # all alike: each token belongs to both by half
    few, many = torch.full((1, 3, 1), 5.0), torch.full((1, 30, 1), 5.0)
    torch.testing.assert_close(slots(groups, few)[0], torch.full((1, 2, 1), 5.0))
    torch.testing.assert_close(slots(groups, many)[0], slots(groups, few)[0])


def test_logits_are_scaled_dot_products_or_cosines():
    queries, keys = torch.tensor([[[2.0, 0, 0, 0]]]), torch.tensor([[[3.0, 4.0, 0, 0]]])
    assert Assignment(4).logits(queries, keys).item() == pytest.approx(6 / 2)  # / sqrt(4)
    assert Assignment(4, temperature=0.1).logits(queries, keys).item() == pytest.approx(0.6 / 0.1)


@pytest.mark.parametrize("iterations", [1, 3])
def test_a_tokens_weights_over_the_groups_add_up_to_one(iterations):
    torch.manual_seed(0)
    slots = SlotAttention(8, iterations=iterations)
    bound, queries, keys = slots(torch.randn(2, 3, 8), torch.randn(2, 10, 8))
    affinity = slots.assignment.affinity(slots.assignment.logits(queries, keys))
    assert bound.shape == (2, 3, 8)
    torch.testing.assert_close(affinity.sum(-1), torch.ones(2, 10))
    assert not torch.allclose(affinity.sum(1), torch.full((2, 3), 10 / 3), atol=1e-3)  # not over the tokens


def test_a_second_round_starts_from_the_groups_of_the_first():
    groups, tokens = torch.randn(1, 2, 1), torch.randn(1, 5, 1)
    once, twice = plain(), plain(iterations=2)
    torch.testing.assert_close(twice(groups, tokens)[0], once(once(groups, tokens)[0], tokens)[0])


def test_the_gradient_agrees_with_finite_differences():
    torch.manual_seed(0)
    slots = SlotAttention(4, iterations=2).double()
    slots.assignment.logits = lambda q, k: k @ q.transpose(1, 2) / 2  # in double precision
    inputs = [torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda g, t: slots(g, t)[0], inputs, fast_mode=True)


def test_a_hard_assignment_is_one_hot_and_has_the_gradient_of_the_soft_one():
    logits = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    hard = straight_through(logits)
    torch.testing.assert_close(hard, torch.tensor([[0.0, 1.0, 0.0]]))
    weights = torch.tensor([[1.0, 2.0, 4.0]])
    (of_hard,) = torch.autograd.grad((hard * weights).sum(), logits)
    (of_soft,) = torch.autograd.grad((logits.softmax(-1) * weights).sum(), logits)
    torch.testing.assert_close(of_hard, of_soft)


def test_gumbel_noise_draws_from_the_softmax():
    logits = torch.tensor([0.2, 0.3, 0.5]).log().expand(20000, 3)
    noise = gumbel(logits, torch.Generator().manual_seed(0))
    shares = (logits + noise).argmax(-1).bincount() / 20000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.3, 0.5]), atol=0.015, rtol=0)


def test_a_grouping_block_merges_tokens_into_fewer():
    torch.manual_seed(0)
    block = GroupingBlock(16, 2, num_tokens=6, num_groups=3, hard=True)
    tokens = torch.randn(2, 10, 16)
    merged, queries, keys = block(torch.randn(2, 6, 16), tokens, torch.Generator().manual_seed(0))
    assert merged.shape == (2, 3, 16)
    assert (queries.shape, keys.shape) == ((2, 3, 16), (2, 10, 16))
    # the weighted sum is divided by the number of tokens plus one (epsilon 1): an empty group gets nothing
    own = block.assignment
    values = torch.ones(1, 4, 16)
    affinity = torch.tensor([[[1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]]])
    assert own.gathered(affinity, values)[0, :, 0].tolist() == pytest.approx([3 / 4, 1 / 2, 0])
