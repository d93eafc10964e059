"""Principal components of a frozen backbone's last map.

The leading directions of the channels at unit variance, scaled to even out theirs: a fraction of the channels
to store and to read. The last component is a constant, so that a product with a vector can hold an offset.

Shape letters: n rows, C channels of the map, K components, B images, h x w locations.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHRINK = 3.0  # variances are evened out above this many times their mean; below, they are noise


class Components(nn.Module):
    """(B, C, h, w) -> (B, K, h, w). Its buffers are found in data, not trained: zero until `load`."""

    basis: Tensor
    bias: Tensor

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(channels, count))
        self.register_buffer("bias", torch.zeros(count))

    def forward(self, x: Tensor) -> Tensor:
        """Project every location, in single precision: what is left is small beside the mean."""
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x.float(), self.basis.T[..., None, None], self.bias)

    def load(self, found: Mapping[str, Tensor]) -> None:
        """Take over what `principal_components` found; raises ValueError where the sizes differ."""
        for name in ("basis", "bias"):
            own, given = getattr(self, name), found[name]
            if own.shape != given.shape:
                raise ValueError(
                    f"components: {name} is {tuple(given.shape)}, the model wants {tuple(own.shape)}"
                )
            own.copy_(given)


def principal_components(count: int, rows: float, total: Tensor, products: Tensor) -> dict[str, Tensor]:
    """`basis` (C, K) and `bias` (K,) from sums over `rows` vectors.

    K - 1 columns are the leading eigenvectors u of the correlation matrix, each over sqrt(e + SHRINK) for its
    eigenvalue e (their mean is 1), times one factor that gives a projected vector the mean square length
    K - 1. The last component is the constant sqrt(K).

    Args:
        count: K; total (C,): the sum of the vectors; products (C, C): the sum of their outer products.

    Raises:
        ValueError: when there are fewer channels than directions, or no variance.
    """
    directions = count - 1
    if directions > len(total):
        raise ValueError(f"{count} components, one of them a constant, of {len(total)} channels")
    mean = total.double() / rows
    covariance = products.double() / rows - torch.outer(mean, mean)
    spread = covariance.diagonal().clamp(min=0).sqrt()
    if not spread.max() > 0:
        raise ValueError("the maps do not vary: no components")
    spread[spread <= 1e-6 * spread.max()] = torch.inf  # a channel that is always the same
    variances, vectors = torch.linalg.eigh(covariance / torch.outer(spread, spread))
    variances, vectors = variances[-directions:].flip(0).clamp(min=0), vectors[:, -directions:].flip(1)
    largest = vectors.abs().argmax(0)
    vectors = vectors * vectors[largest, torch.arange(directions)].sign()  # eigenvectors have no sign
    kept = variances + SHRINK
    length = (variances / kept).sum()
    basis = vectors / spread[:, None] * kept.rsqrt() * (directions / length).sqrt()
    constant = torch.tensor([count**0.5], dtype=torch.double)
    return {
        "basis": torch.cat([basis, torch.zeros(len(mean), 1)], 1).float(),
        "bias": torch.cat([-(mean @ basis), constant]).float(),
    }
