"""What an actor computes on."""

from typing import Literal, Protocol


class Resources(Protocol):
    """Of the sections of the stages that run actors."""

    @property
    def num_cpus(self) -> float: ...

    @property
    def num_gpus(self) -> float: ...

    @property
    def precision(self) -> Literal["auto", "float32", "bf16"]: ...


def prepare(settings: Resources) -> tuple[str, bool]:
    """Give torch a thread per CPU of this actor; returns its device, and whether it computes in bf16."""
    import torch

    from ovseg_core.training.loop import resolve_precision

    torch.set_num_threads(max(1, int(settings.num_cpus)))
    device = "cuda" if settings.num_gpus else "cpu"
    return device, resolve_precision(settings.precision, device) == "bf16"
