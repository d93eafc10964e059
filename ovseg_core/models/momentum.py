"""A copy of a module that follows it slowly and has no gradient (momentum model, EMA)."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Momentum(nn.Module):
    """m <- d m + (1 - d) w after every update of the weights w. Buffers are copied.

    The first time that it follows it becomes a copy, whatever weights were loaded since it was made.

    It follows at the start of the next step's forward pass, so that the training loop need not know of it;
    `step` keeps parts of one update (`train.accumulate`) from counting more than once.
    """

    step: Tensor
    model: Any

    def __init__(self, followed: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.model = copy.deepcopy(followed).requires_grad_(False).eval()
        self.register_buffer("step", torch.tensor(-1, dtype=torch.int64))

    def train(self, mode: bool = True) -> "Momentum":
        """Stays in evaluation: what it says does not depend on the rest of the batch."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, followed: nn.Module, step: int) -> None:
        """Take in the weights that update `step` starts from; nothing when that is done already."""
        if int(self.step) == step:
            return
        decay = self.decay if self.step >= 0 else 0.0
        self.step.fill_(step)
        for copied, weight in zip(self.model.parameters(), followed.parameters(), strict=True):
            copied.copy_(copied * decay + weight * (1 - decay))
        for mine, theirs in zip(self.model.buffers(), followed.buffers(), strict=True):
            mine.copy_(theirs)
