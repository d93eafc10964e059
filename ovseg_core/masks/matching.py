"""One-to-one matching of two sets (Hungarian algorithm).

Shape letters: B images, N and M members of the two sets.
"""

import torch
from torch import Tensor


@torch.no_grad()
def hungarian(cost: Tensor) -> tuple[Tensor, Tensor]:
    """The matching with the lowest sum of costs: (B, N, M) -> two (B, min(N, M)) index tensors.

    Row j of image b in the first set belongs to row j in the second; the first is rising.

    Raises:
        ValueError: for a cost that is not a number.
    """
    from scipy.optimize import linear_sum_assignment  # half a second that most stages do without

    pairs = [linear_sum_assignment(rows) for rows in cost.detach().float().cpu().numpy()]
    count = min(cost.shape[1:])
    first = torch.tensor([rows.tolist() for rows, _ in pairs], dtype=torch.int64).view(-1, count)
    second = torch.tensor([columns.tolist() for _, columns in pairs], dtype=torch.int64).view(-1, count)
    return first.to(cost.device), second.to(cost.device)
