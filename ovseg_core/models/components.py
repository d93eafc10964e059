"""Principal components of a frozen backbone's last map.

The leading directions, scaled to even out their variances: a fraction of the channels to store and to read.

Shape letters: n rows, C channels of the map, K components, B images, h x w locations.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHRINK = 10.0  # variances are evened out above this many times their mean; below, they are noise


class Components(nn.Module):
    """(B, C, h, w) -> (B, K, h, w). Its buffers are found in data, not trained: zero until `load`."""

    mean: Tensor
    basis: Tensor

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("basis", torch.zeros(channels, count))

    def forward(self, x: Tensor) -> Tensor:
        """Project every location, in single precision: what is left is small beside the mean."""
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x.float(), self.basis.T[..., None, None], -(self.mean @ self.basis))

    def load(self, found: Mapping[str, Tensor]) -> None:
        """Take over what `principal_components` found; raises ValueError where the sizes differ."""
        for name in ("mean", "basis"):
            own, given = getattr(self, name), found[name]
            if own.shape != given.shape:
                raise ValueError(
                    f"components: {name} is {tuple(given.shape)}, the model wants {tuple(own.shape)}"
                )
            own.copy_(given)


def principal_components(count: int, rows: float, total: Tensor, products: Tensor) -> dict[str, Tensor]:
    """`mean` (C,) and `basis` (C, K) from sums over `rows` vectors.

    The basis holds the leading eigenvectors u of the covariance, each divided by sqrt(e + SHRINK * mean e)
    for its eigenvalue e, times one factor that gives a projected vector the mean square length K.

    Args:
        count: K; total (C,): the sum of the vectors; products (C, C): the sum of their outer products.

    Raises:
        ValueError: when there are fewer channels than components, or no variance.
    """
    if count > len(total):
        raise ValueError(f"{count} components of {len(total)} channels")
    mean = total.double() / rows
    covariance = products.double() / rows - torch.outer(mean, mean)
    variances, directions = torch.linalg.eigh(covariance)
    variances, directions = variances[-count:].flip(0), directions[:, -count:].flip(1)
    if not variances[0] > 0:
        raise ValueError("the maps do not vary: no components")
    largest = directions.abs().argmax(0)
    directions = directions * directions[largest, torch.arange(count)].sign()  # eigenvectors have no sign
    kept = variances.clamp(min=0) + SHRINK * covariance.diagonal().mean()
    length = (variances.clamp(min=0) / kept).sum()
    return {"mean": mean.float(), "basis": (directions * kept.rsqrt() * (count / length).sqrt()).float()}
