"""The list of labelling teachers and the one function that loads one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ovseg_core.records import MaskSet
from ovseg_core.teachers.kmeans import KMeansTeacher
from ovseg_core.teachers.mask_model import MaskTeacher
from ovseg_core.teachers.settings import settings_of

TEACHERS: dict[str, Any] = {"mask_model": MaskTeacher, "kmeans": KMeansTeacher}


class Teacher(Protocol):
    """Something that labels images."""

    def __call__(self, images: Sequence[np.ndarray], features: Sequence[Tensor] = ()) -> list[MaskSet]:
        """(H, W, 3) uint8 images -> masks with scores of each, before thresholds."""


def load(
    given: Mapping[str, Any],
    folder: Path | str,
    device: str = "cpu",
    image: Mapping[str, Any] | None = None,
    features: Path | str = "",
) -> Teacher:
    """The teacher that one section `teachers.<name>` describes.

    Args:
        folder: model folder of the run `teacher`, for kinds that read one.
        image: section `model.image`, for kinds that read its backbone.
        features: folder of the stage `features`, likewise.

    Raises:
        ParamError: for an unknown kind or wrong settings. CheckpointError: for an unusable folder.
    """
    settings = settings_of(given)  # first: it knows which kinds there are
    return TEACHERS[given["kind"]].load(folder, settings, device, image or {}, str(features))
