"""Cross-image mask consistency: one entity, two images, the same mask (OVSegmentor, Eq. 10-12).

Shape letters: P pairs, N masks of an image (K' = rK in the paper), L locations.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.losses.dice import dice
from ovseg_core.losses.precision import float32
from ovseg_core.masks.matching import hungarian


@float32
def mask_consistency(predicted: Tensor, target: Tensor, delta: float, of_peak: bool = False) -> Tensor:
    """One half of L_mask: a Dice loss against the best one-to-one matching of binary targets.

        sum_k D(1[m_k > delta], m^_p*(k)),   p* = argmin_p sum_k -cos(m_k, m^_p(k))

    Args:
        predicted: (P, N, L) logits of m^, from the other image's groups.
        target: (P, N, L) logits of m, from the image's own groups; no gradient flows into them.
        delta: threshold on m in [0, 1].
        of_peak: delta times the largest value of each mask instead, as in the authors' code, so that no
            target is empty.

    Returns:
        Scalar, the sum over masks and the mean over pairs; 0 without pairs. An empty target, where no
        location reaches the threshold, asks for an empty mask.
    """
    soft, m = predicted.float().sigmoid(), target.detach().float().sigmoid()
    if not len(soft):
        return soft.sum()
    cosine = F.normalize(m, dim=-1) @ F.normalize(soft.detach(), dim=-1).transpose(1, 2)
    rows, columns = hungarian(-cosine)
    level = delta * m.amax(-1, keepdim=True) if of_peak else delta
    agreement = dice(soft[..., None], (m > level)[..., None])  # (P, N predicted, N targets)
    pair = torch.arange(len(soft), device=soft.device)[:, None]
    return (1 - agreement[pair, columns, rows]).sum() / len(soft)


def nearest_groups(groups: Tensor, name: Tensor, ratio: float) -> Tensor:
    """Indices (P, rK), at least one, of the groups most like an entity: (P, K, E), (P, E) embeddings."""
    with torch.no_grad():
        count = max(1, round(ratio * groups.shape[1]))
        similar = F.normalize(groups.float(), dim=-1) @ F.normalize(name.float(), dim=-1)[..., None]
        return similar[..., 0].topk(count, dim=1).indices.sort(dim=1).values
