"""Weights of a tower from a .safetensors file (never a pickle: those run code when loaded)."""

import logging
from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from ovseg_core.params import ParamError

logger = logging.getLogger(__name__)


def read_tensors(path: Path | str, key: str) -> dict[str, Tensor]:
    """The tensors of a file; `key` is the parameter that names it, for messages."""
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise ParamError(f"{key} is {str(path)!r}: there is no such file")
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own classes for a broken header
        raise ParamError(
            f"{key} is {str(path)!r}, which is no readable .safetensors file: {error}"
        ) from error


def load_weights(
    model: nn.Module, path: Path | str, key: str, may_lack: Collection[str], prefix: str = ""
) -> None:
    """Copy weights of one tower into `model`. The file may hold more (a classifier); it must not hold less.

    Args:
        may_lack: names that may be missing in the file.
        prefix: only tensors of this prefix count, without it (`text.` in an open_clip file).

    Raises:
        ParamError: with the first names that are missing or of another shape.
    """
    given = {k.removeprefix(prefix): v for k, v in read_tensors(path, key).items() if k.startswith(prefix)}
    own = model.state_dict()
    missing = [
        name for name in own if name not in given and name not in may_lack and "num_batches" not in name
    ]
    other = [name for name in own if name in given and given[name].shape != own[name].shape]
    if missing or other:
        raise ParamError(
            f"{key} is {str(path)!r}, weights of another model: it lacks {len(missing)} tensors "
            f"{missing[:3]} and has {len(other)} of another shape {other[:3]}"
        )
    model.load_state_dict({name: given[name] for name in own if name in given}, strict=False)
    logger.info(
        "%s: %d tensors loaded, %d of the file not needed", path, len(own), len(given.keys() - own.keys())
    )
