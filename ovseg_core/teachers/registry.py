"""The list of labelling teachers and the one function that loads one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ovseg_core import params
from ovseg_core.records import MaskSet
from ovseg_core.teachers.mask_model import MaskTeacher
from ovseg_core.teachers.settings import TEACHER_SETTINGS

TEACHERS: dict[str, Any] = {"mask_model": MaskTeacher}


class Teacher(Protocol):
    """Something that labels images."""

    def __call__(self, images: Sequence[np.ndarray], features: Sequence[Tensor] = ()) -> list[MaskSet]:
        """(H, W, 3) uint8 images -> masks with scores of each, before thresholds."""


def load(given: Mapping[str, Any], folder: Path | str, device: str = "cpu") -> Teacher:
    """The teacher that one section `teachers.<name>` describes, with the weights in `folder`.

    Raises:
        ParamError: for an unknown kind or wrong settings. CheckpointError: for an unusable folder.
    """
    kind = given.get("kind")
    if kind not in TEACHERS:
        raise params.ParamError(f"teachers.<name>.kind is {kind!r}; accepted: {', '.join(TEACHERS)}")
    rest = {key: value for key, value in given.items() if key != "kind"}
    settings: Any = params.build(rest, f"teachers ({kind})", TEACHER_SETTINGS[kind])
    return TEACHERS[kind].load(folder, settings, device)
