"""Image backbones: images in, one map per pyramid level out.

Shape letters: B images, H x W pixels; level l has stride 2^l (less where dilation keeps it finer).
"""

import difflib
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ovseg_core.models.settings import CONV, TIMM, ImageSettings
from ovseg_core.models.weights import load_weights
from ovseg_core.params import ParamError

CONV_WIDTHS = (24, 48, 96, 128, 128)  # P1..P5 of the small backbone


class ConvBlock(nn.Module):
    """Two 3x3 convolutions with a residual.

    Batch norm: in the few hundred steps of the default run things are learnt two to three times as fast as
    with group or layer norm, also with standardised weights.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.shortcut(x) + self.norms[1](self.second(hidden)))


class FinalMap(nn.Module):
    """A timm model whose last level is what its classifier pools: in MobileNets 1280 channels, not 320."""

    def __init__(self, model: Any, picked: list[int]) -> None:
        super().__init__()
        self.model, self.picked = model, picked

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised images -> maps of the picked stages, finest first."""
        final, maps = self.model.forward_intermediates(images, indices=self.picked)
        return [*maps[:-1], final]


class ConvBackbone(nn.Module):
    """The small backbone that trains from scratch in minutes on a processor: P1..P5, a block each."""

    def __init__(self, levels: list[int]) -> None:
        super().__init__()
        self.levels = levels
        widths = (3, *CONV_WIDTHS[: max(levels)])
        stem = nn.Sequential(
            nn.Conv2d(3, widths[1], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[1]), nn.ReLU()
        )
        blocks = [ConvBlock(a, b, stride=2) for a, b in pairwise(widths[1:])]
        self.stages = nn.ModuleList([stem, *blocks])
        self.channels = [CONV_WIDTHS[level - 1] for level in levels]

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised images -> maps of `levels`, finest first."""
        maps, x = [], images
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return [maps[level - 1] for level in self.levels]


def timm_backbone(settings: ImageSettings) -> tuple[Any, list[int]]:
    """A timm model that gives maps, and the channels of these.

    Raises:
        ParamError: for a name that timm does not have, levels it cannot give, or weights that do not fit.
    """
    import timm  # here: loading it takes seconds

    name = settings.backbone.removeprefix(TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 5) or ["timm.list_models() has them all"]
        raise ParamError(f"model.image.backbone is {settings.backbone!r}: timm has no {name!r}; near: {near}")
    options: dict[str, Any] = dict(settings.options)
    if settings.output_stride != 32:
        options["output_stride"] = settings.output_stride
    with torch.device("meta"):  # only to read its strides
        whole: Any = timm.create_model(name, features_only=True, **options)
    reductions = whole.feature_info.reduction()
    picked = [_level_index(level, reductions, name) for level in settings.levels]
    options["pretrained"] = settings.weights == "pretrained"
    if settings.final_map:
        channels = [whole.feature_info.channels()[index] for index in picked]
        inner: Any = timm.create_model(name, num_classes=0, **options)
        model: Any = FinalMap(inner, picked)
        channels[-1] = inner.num_features
    else:
        model = inner = timm.create_model(name, features_only=True, out_indices=picked, **options)
        channels = model.feature_info.channels()
    if settings.weights and not options["pretrained"]:
        load_weights(inner, settings.weights, "model.image.weights", may_lack=())
    return model, channels


def _level_index(level: int, reductions: list[int], name: str) -> int:
    # Dilation leaves several levels at one stride; P_l is then the l-th in order, counted from the first.
    first = {2: 1, 4: 2}.get(reductions[0])
    index = level - first if first else -1
    if not 0 <= index < len(reductions):
        raise ParamError(f"model.image.levels has {level}: {name} gives maps of stride {reductions}")
    return index


def build_backbone(settings: ImageSettings) -> tuple[nn.Module, list[int]]:
    """The backbone and the channels of its maps, finest first."""
    if settings.backbone == CONV:
        conv = ConvBackbone(settings.levels)
        return conv, conv.channels
    return timm_backbone(settings)
