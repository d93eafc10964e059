"""Features of every location of an image, for teachers that cluster them.

Shape letters: B images, S side of the square they are brought to in pixels, D channels, h x w locations.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ovseg_core import files, params
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.normalize import Normalize
from ovseg_core.models.settings import ImageSettings
from ovseg_core.models.weights import load_weights
from ovseg_core.teachers.settings import BACKBONE, COLOUR, COLOUR_STRIDE, TIMM, KMeansSettings
from ovseg_core.training.checkpoint import load_components
from ovseg_core.training.settings import COMPONENTS_FILE

Features = Callable[[Tensor], Tensor]  # (B, 3, S, S) uint8 -> (B, D, h, w)
TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65


def squares(images: Sequence[np.ndarray], side: int) -> Tensor:
    """(H, W, 3) uint8 images of any sizes -> (B, 3, S, S) uint8, squeezed into the square."""
    made = []
    for image in images:
        if image.shape[:2] != (side, side):
            shrinks = image.shape[0] * image.shape[1] > side * side
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            image = cv2.resize(image, (side, side), interpolation=method)
        made.append(image)
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


def lab(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 sRGB -> CIE LAB under D65, in hundreds: L from 0 to 1."""
    level = torch.arange(256, device=images.device) / 255
    linear = torch.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(TO_XYZ, device=images.device) / torch.tensor(WHITE, device=images.device)[:, None]
    xyz = torch.einsum("xc,bchw->bxhw", matrix, linear[images.long()])
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-6) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)], 1)


def colour(images: Tensor, window: int) -> Tensor:
    """Mean and deviation of LAB over the box around each 2x2 pixels: (B, 3, S, S) uint8 -> (B, 6, S/2, S/2).

    The deviation sees a texture whose mean colour is that of its surroundings.
    """
    x = lab(images)
    x = torch.cat([x, x.square()], 1)
    edge = (window - COLOUR_STRIDE) // 2
    x = F.pad(x, (edge,) * 4, mode="reflect") if edge else x
    rows = F.avg_pool2d(
        x, (window, 1), (COLOUR_STRIDE, 1)
    )  # one side after the other: a fraction of the sums
    mean, square = F.avg_pool2d(rows, (1, window), (1, COLOUR_STRIDE)).chunk(2, 1)
    return torch.cat([mean, (square - mean.square()).clamp(min=0).sqrt()], 1)


class Network(nn.Module):
    """The last map of any timm model, a vision transformer's patches among them, at unit length."""

    def __init__(self, settings: KMeansSettings) -> None:
        super().__init__()
        import timm  # here: loading it takes seconds

        name, weights = settings.features.removeprefix(TIMM), settings.weights
        if not timm.is_model(name):
            raise params.ParamError(
                f"teachers.<name>.features is {settings.features!r}: timm has no {name!r}"
            )
        options: dict[str, Any] = {"pretrained": weights == "pretrained", "num_classes": 0}
        if timm.models.is_model_in_modules(name, ["vision_transformer"]):
            options["dynamic_img_size"] = True
        model: Any = timm.create_model(name, **options)
        if weights and weights != "pretrained":
            load_weights(model, weights, "teachers.<name>.weights", may_lack=())
        self.model = model
        self.normalize = Normalize(model.default_cfg["mean"], model.default_cfg["std"])

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D, h, w)."""
        x = self.normalize(images.float() / 255)
        model: Any = self.model
        maps = model.forward_intermediates(x, indices=1, norm=True, intermediates_only=True)
        return F.normalize(maps[-1].float(), dim=1)


class Backbone(nn.Module):
    """The last map of `model.image`, at unit length: what the stage `features` caches."""

    def __init__(self, image: Mapping[str, Any], features: str) -> None:
        super().__init__()
        settings = params.build(image, "model.image", ImageSettings)
        if not settings.frozen:
            raise params.ParamError(
                "teachers.<name>.features is 'backbone', but model.image.frozen is False; accepted: a "
                "backbone that is frozen, since masks cannot follow one that trains"
            )
        self.tower = ImageTower(settings, pyramid=False)
        load_components(self.tower, files.join(features, COMPONENTS_FILE))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 -> (B, D, h, w)."""
        return F.normalize(self.tower.maps(images.float() / 255)[-1].float(), dim=1)


def build(settings: KMeansSettings, image: Mapping[str, Any], features: str, device: str) -> Features:
    """The features that `teachers.<name>.features` names.

    Args:
        image: section `model.image`; features: the folder of the stage `features`.

    Raises:
        ParamError: for a model that timm does not have, weights that do not fit, a backbone that trains.
    """
    if settings.features == COLOUR:
        return lambda images: colour(images.to(device), settings.window)
    torch.manual_seed(0)  # without weights a network is random, but the same one in every worker
    own = Backbone(image, features) if settings.features == BACKBONE else Network(settings)
    return own.eval().to(device)
