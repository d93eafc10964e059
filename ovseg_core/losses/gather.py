"""Tensors of all workers with gradients, for losses over the global batch (OpenSeg, App. F)."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _AllGather(torch.autograd.Function):
    """Stack one equal-sized tensor per worker; backward sums what every worker's loss says of it.

    Under DDP, which then averages over workers, this gives exactly the gradient of one process that holds
    the whole batch: every worker computes the same full loss, so the sum is `world` times its gradient, and
    the mean undoes that.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        summed = grads[0].contiguous().clone()
        dist.all_reduce(summed)
        return summed[dist.get_rank()]


def is_distributed() -> bool:
    """Whether several workers train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_lists(values: list[Any]) -> list[Any]:
    """The entries of all workers' lists, worker after worker."""
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, values)
    return [value for some in everyone for value in some]


def gather_rows(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of all workers, worker after worker: (n_rank, ...) -> (sum of n, ...) and the (world,) counts.

    Workers may hold different numbers of rows, also none. Float tensors keep their gradient.
    """
    counts = torch.zeros(dist.get_world_size(), dtype=torch.int64, device=tensor.device)
    counts[dist.get_rank()] = len(tensor)
    dist.all_reduce(counts)
    longest = max(int(counts.max()), 1)  # gloo wants at least one row
    padded = torch.cat([tensor, tensor.new_zeros(longest - len(tensor), *tensor.shape[1:])])
    stacked = _AllGather.apply(padded)
    rows = [part[:count] for part, count in zip(stacked, counts.tolist(), strict=True)]
    return torch.cat(rows), counts
