"""The class-agnostic mask teacher of OpenSeg (Sec. 3.3): a trained `masks` model, read as masks with scores.

Shape letters: B images of one size, H x W pixels, N masks.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.masks import rle
from ovseg_core.methods.masks import MaskModel
from ovseg_core.records import MaskSet
from ovseg_core.teachers.settings import MaskTeacherSettings
from ovseg_core.training.checkpoint import load_model


class MaskTeacher:
    """Masks of images, before any choice among them: what is kept is decided when training reads them."""

    def __init__(self, model: MaskModel, settings: MaskTeacherSettings, device: str = "cpu") -> None:
        self.model = model.eval().to(device)
        self.settings = settings
        self.device = device

    @classmethod
    def load(
        cls, folder: Path | str, settings: MaskTeacherSettings, device: str, _image: object, _features: str
    ) -> "MaskTeacher":
        """The teacher of a model folder, as the `teach` stage writes it.

        Raises:
            CheckpointError: when the folder holds no model, or one of another method.
        """
        model = load_model(folder, "masks")
        assert isinstance(model, MaskModel)
        return cls(model, settings, device)

    def __call__(self, images: Sequence[np.ndarray], features: Sequence[Tensor] = ()) -> list[MaskSet]:
        """Label images of any sizes, those of one size together.

        Args:
            images: (H, W, 3) uint8 each.
            features: cached maps of a frozen backbone for these images, if there are any: [(B, C, h, w)].

        Returns:
            Per image all N masks at its own size, with scores in [0, 1]; some may be empty.
        """
        same_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            same_size[image.shape].append(index)
        found: dict[int, MaskSet] = {}
        for indices in same_size.values():
            maps = [level[indices] for level in features]
            found |= zip(indices, self._label(np.stack([images[i] for i in indices]), maps), strict=True)
        return [found[index] for index in range(len(images))]

    @torch.inference_mode()
    def _label(self, images: np.ndarray, features: list[Tensor]) -> list[MaskSet]:
        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        maps = [level.to(self.device) for level in features]
        masks, scores = self.model.scored_proposals(pixels, maps)
        full = F.interpolate(masks, images.shape[1:3], mode="bilinear", align_corners=False)
        on = (full > self.settings.threshold).cpu().numpy()
        pairs = zip(on, scores.float().cpu().numpy(), strict=True)
        return [MaskSet(masks=rle.encode(mask), scores=score) for mask, score in pairs]
