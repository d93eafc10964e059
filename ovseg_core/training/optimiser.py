"""AdamW with its groups, the learning rate as a function of the step, an averaged copy of the weights."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ovseg_core.params import check
from ovseg_core.training.settings import TrainSettings

TEXT = "text."  # parameters of the text tower start so, in every method


def build_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW over what trains. Vectors and scalars (norms, biases, temperatures) do not decay."""
    groups: dict[tuple[bool, float], list[Tensor]] = {}
    for name, parameter in trained(model):
        scale = settings.text_lr_scale if name.startswith(TEXT) else layer_scale(model, name, settings)
        groups.setdefault((parameter.ndim >= 2, scale), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": settings.weight_decay if decays else 0.0,
                "lr_scale": scale,
            }
            for (decays, scale), parameters in groups.items()
        ],
        lr=settings.lr,
        fused=True,
    )


def layer_scale(model: Any, name: str, settings: TrainSettings) -> float:
    """Layer-wise decay of the rate (BEiT): decay^(layers + 1 - layer); 1 for what comes behind the layers.

    Raises:
        ParamError: for a model whose backbone has no layers to tell apart.
    """
    if settings.layer_decay is None:
        return 1.0
    depth = getattr(model, "depth", 0)
    check(
        depth > 0,
        "train.layer_decay",
        settings.layer_decay,
        "null for this method and backbone; a plain vision transformer in upernet has layers",
    )
    layer = model.layer_of(name)
    return 1.0 if layer is None else settings.layer_decay ** (depth + 1 - layer)


def trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and parameters that the optimiser updates."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear rise over `warmup_steps` to `lr`, then to 0 after the last step: half a cosine, or a line."""
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    if settings.schedule == "poly":
        return settings.lr * (1 - done)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """The same rate for every group, times the group's scale."""
    for group in optimiser.param_groups:
        group["lr"] = value * group["lr_scale"]


def optimiser_tensors(optimiser: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's state by parameter name: `{parameter}/exp_avg` and the like."""
    return {
        f"{name}/{part}": value
        for name, parameter in trained(model)
        for part, value in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `optimiser_tensors` gave."""
    parameters = dict(trained(model))
    for name, value in tensors.items():
        owner, _, part = name.rpartition("/")
        parameter = parameters[owner]
        if value.shape == parameter.shape:
            # Files hold plain order. The fused step walks weight and state side by side in memory, so the
            # state has to lie as the weight does (channels_last); anything else mixes up elements without an
            # error.
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        optimiser.state[parameter][part] = value.to(parameter.device)


class Averaged:
    """An exponential moving average of the weights: a <- d a + (1 - d) w.

    d is min(decay, (1 + n) / (10 + n)) after n updates, as in TensorFlow's ExponentialMovingAverage, so that
    a short run does not average over its random start. Buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after update number `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.tensors[name].lerp_(value, 1 - decay)
            else:
                self.tensors[name].copy_(value)
