"""The list of methods and the one function that builds one from resolved settings."""
# contract draft; owned by the methods work

from typing import Literal, Protocol

from torch import Tensor

from ovseg_core.records import Batch

Regions = Literal["predicted", "none"] | Tensor  # or (B, M, H, W) bool masks given from outside


class Method(Protocol):
    """A torch module that trains by `losses` and answers by `score_maps`."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses of one batch; the loop sums them (weights are already in)."""

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) normalised embeddings of names or prompts."""

    def score_maps(self, images: Tensor, text_embeddings: Tensor, regions: Regions = "predicted") -> Tensor:
        """(B, 3, H, W) images in [0, 1] and (T, D) texts -> (B, T, H', W') scores, any stride."""

    def proposals(self, images: Tensor) -> Tensor:
        """(B, N, H', W') mask probabilities; only of methods that propose masks (others lack the verb)."""
