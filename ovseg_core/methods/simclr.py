"""SimCLR (Chen et al., arXiv:2002.05709): two views of an image are told from those of other images.

Self-supervision for an image side that learns to group afterwards, as DINO's is for OVSegmentor (Sec. 4.1):
neither captions nor masks are read. Shape letters: B images, H x W pixels.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ovseg_core.losses.contrastive import info_nce
from ovseg_core.methods.settings import SimCLRSettings
from ovseg_core.models.settings import ModelSettings
from ovseg_core.models.tokens import build_tokens
from ovseg_core.params import check
from ovseg_core.records import Batch

LUMA = (0.299, 0.587, 0.114)


class SimCLR(nn.Module):
    """Trains what makes an image's tokens, under the names that it has in OVSegmentor and GroupViT."""

    Settings = SimCLRSettings

    def __init__(self, settings: SimCLRSettings, model: ModelSettings, words: list[str]) -> None:
        super().__init__()
        self.settings = settings
        check(
            not model.image.frozen, "model.image.frozen", True, "false for simclr, which trains the backbone"
        )
        stem, _, _ = build_tokens(model.image, 0, settings.positions)
        self.image = nn.ModuleDict({"stem": stem})
        width = stem.width
        self.project = nn.Sequential(
            nn.Linear(width, 4 * width), nn.BatchNorm1d(4 * width), nn.ReLU(), nn.Linear(4 * width, width)
        )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`contrastive`: InfoNCE between two views of each image, against the worker's other images."""
        generator = torch.Generator().manual_seed(batch.seed)
        views = [recoloured(cropped(batch.images, self.settings.crop, generator), generator) for _ in "ab"]
        stem: Any = self.image["stem"]
        tokens = stem(stem.maps(torch.cat(views)))
        one, other = self.project(tokens.mean((2, 3))).float().chunk(2)
        return {"contrastive": info_nce(one, other, one.new_tensor(self.settings.temperature))}

    forward = losses  # so that DDP can wrap it


def cropped(images: Tensor, least: float, generator: Generator) -> Tensor:
    """(B, 3, H, W) -> a part of each, `least` to all of its area, at the same size; half are mirrored."""
    count = len(images)
    scale = _uniform(generator, count, least, 1).sqrt()
    mirror = 1 - 2 * torch.randint(0, 2, (count,), generator=generator)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale * mirror, scale
    for axis in (0, 1):
        theta[:, axis, 2] = (1 - scale) * _uniform(generator, count, -1, 1)
    grid = F.affine_grid(theta.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def recoloured(images: Tensor, generator: Generator) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> brightness, contrast, saturation and hue of each changed; a fifth is gray.

    The strengths are those of BYOL and DINO: 0.4, 0.4, 0.2 and a tenth of a turn.
    """
    count = len(images)
    saturation = _uniform(generator, count, 0.8, 1.2) * (_uniform(generator, count, 0, 1) > 0.2)
    turn = turned(_uniform(generator, count, -0.2 * math.pi, 0.2 * math.pi))
    gray, share = torch.tensor(LUMA).expand(3, 3), saturation[:, None, None]
    gain = _uniform(generator, count, 0.6, 1.4)[:, None, None]
    matrix = gain * turn @ (share * torch.eye(3) + (1 - share) * gray)
    coloured = torch.einsum("bij,bjhw->bihw", matrix.to(images), images)
    contrast = _uniform(generator, count, 0.6, 1.4).to(images)[:, None, None, None]
    mean = coloured.mean((1, 2, 3), keepdim=True)
    return (mean + contrast * (coloured - mean)).clamp(0, 1)


def turned(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3) rotations about the axis of grays, which stay as they are (Rodrigues)."""
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * torch.eye(3) + (1 - cos) / 3 + sin * across


def _uniform(generator: Generator, count: int, low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)
