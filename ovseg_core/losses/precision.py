"""Losses in float32: autocast would take their matrix products back to half precision."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def float32(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` without autocast. Its inputs may still be in half precision: it converts them itself."""

    @functools.wraps(function)
    def without_autocast(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return function(*args, **kwargs)

    return without_autocast
