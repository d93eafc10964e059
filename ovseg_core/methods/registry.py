"""The list of methods, what each of them answers, and the one function that builds one."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from ovseg_core import params
from ovseg_core.methods.clip_dense import ClipDense
from ovseg_core.methods.groupvit import GroupViT
from ovseg_core.methods.lseg import LSeg
from ovseg_core.methods.maskclip import MaskClip
from ovseg_core.methods.masks import MaskModel
from ovseg_core.methods.openseg import OpenSeg
from ovseg_core.methods.ovsegmentor import OVSegmentor
from ovseg_core.methods.simclr import SimCLR
from ovseg_core.methods.sseg import SSeg
from ovseg_core.methods.upernet import UperNet
from ovseg_core.methods.vit_attention import ViTAttention
from ovseg_core.models.settings import ModelSettings
from ovseg_core.records import Batch

Regions = Literal["predicted", "none", "clusters"] | Tensor  # or (B, M, H, W) bool masks from outside

METHODS: dict[str, Any] = {
    "openseg": OpenSeg,
    "masks": MaskModel,
    "clip_dense": ClipDense,
    "lseg": LSeg,
    "ovsegmentor": OVSegmentor,
    "groupvit": GroupViT,
    "sseg": SSeg,
    "maskclip": MaskClip,
    "vit_attention": ViTAttention,
    "simclr": SimCLR,
    "upernet": UperNet,
}


class Method(Protocol):
    """A torch module that trains by `losses` (also its `forward`) and answers by `score_maps`."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses of one batch; the loop sums them (weights are already in)."""

    def embed_text(self, texts: list[str]) -> Tensor:
        """(T, D) normalised embeddings of names or prompts; those without names lack it and `score_maps`."""

    def score_maps(self, images: Tensor, text_embeddings: Tensor, regions: Regions = "predicted") -> Tensor:
        """(B, 3, H, W) images in [0, 1] and (T, D) texts -> (B, T, H', W') scores, any stride."""

    def proposals(self, images: Tensor) -> Tensor:
        """(B, N, H', W') mask probabilities; only of methods that propose masks (others lack the verb)."""

    # `trains = False` on the class: the model is finished as it is built; `losses` is never called


def build(method: str, settings: Mapping[str, Any], model: Mapping[str, Any], words: list[str]) -> nn.Module:
    """A method with fresh weights, drawn from torch's global generator: seed that first.

    Args:
        method: a name of METHODS.
        settings: section `methods.<method>`; model: section `model`, both resolved.
        words: the corpus vocabulary, for the tokenizer of the small text tower.

    Raises:
        ParamError: for an unknown method, unknown or missing keys, values out of range.
    """
    if method not in METHODS:
        raise params.ParamError(f"method is {method!r}; accepted: {', '.join(METHODS)}")
    kind = METHODS[method]
    own = params.build(settings, f"methods.{method}", kind.Settings)
    return kind(own, params.build(model, "model", ModelSettings), list(words))
