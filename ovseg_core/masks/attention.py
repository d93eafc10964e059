"""Masks of attention maps. Shape letters: B images, N heads, h x w patches."""

from torch import Tensor


def keep_mass(attention: Tensor, share: float = 0.6) -> Tensor:
    """(B, N, h, w) attention, not negative -> bool masks of the highest values that hold `share` of its sum.

    How DINO makes a mask of a head and OVSegmentor (App. A) probes it; a map of zeros is an empty mask.
    """
    flat = attention.flatten(2).double()
    ordered, order = flat.sort(stable=True, dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered  # a value is in while those above it do not hold the share
    kept = (before < share * flat.sum(-1, keepdim=True)) & (ordered > 0)
    return kept.new_zeros(kept.shape).scatter(-1, order, kept).view_as(attention)
