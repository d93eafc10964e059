"""Section `model` of params.yaml. No torch here: checking parameters stays cheap."""

from dataclasses import dataclass
from typing import Any, Literal

from ovseg_core.params import check

CONV, TIMM, SMALL, OPEN_CLIP = "conv", "timm:", "small", "open_clip:"


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Section `model.image`: backbone and feature pyramid."""

    backbone: str  # conv | timm:<name of timm.list_models()>
    weights: (
        str | None
    )  # null: random; a .safetensors file; pretrained: fetched by timm (timm backbones only)
    frozen: bool  # the backbone does not train; its maps may be cached (section `features`)
    frozen_norm: bool  # batch norms keep their running statistics: right for small batches and folded norms
    normalize: Literal[
        "imagenet", "half"
    ]  # of pixels in [0, 1]: ImageNet mean and deviation, or (x - 0.5) / 0.5
    levels: list[
        int
    ]  # pyramid levels P_l in use, at stride 2^l unless output_stride is lower; the first sets the map
    components: int | None  # the last map in its leading principal components (`features` finds them)
    final_map: bool  # the last level is the map that the classifier would pool, behind all layers (timm only)
    output_stride: int  # coarsest stride of the backbone: 32, or 16 or 8 by dilation (timm backbones only)
    options: dict[str, Any]  # further arguments of timm.create_model, such as pad_type
    width: int  # channels of the pyramid (640 in OpenSeg)

    def __post_init__(self) -> None:
        _check_name("model.image.backbone", self.backbone, CONV, TIMM)
        is_conv = self.backbone == CONV
        check(not is_conv or self.weights is None, "model.image.weights", self.weights, "null for `conv`")
        check(
            self.weights in (None, "pretrained") or str(self.weights).endswith(".safetensors"),
            "model.image.weights",
            self.weights,
            "null, pretrained, or the path of a .safetensors file (pickled checkpoints can run code)",
        )
        check(not is_conv or not self.options, "model.image.options", self.options, "{} for `conv`")
        check(not (is_conv and self.final_map), "model.image.final_map", self.final_map, "false for `conv`")
        check(
            self.components is None or (self.components > 0 and self.frozen),
            "model.image.components",
            self.components,
            "null, or a number where model.image.frozen is true",
        )
        strides = (32,) if is_conv else (8, 16, 32)
        check(
            self.output_stride in strides,
            "model.image.output_stride",
            self.output_stride,
            f"one of {strides}",
        )
        check(
            bool(self.levels)
            and sorted(set(self.levels)) == self.levels
            and set(self.levels) <= {1, 2, 3, 4, 5},
            "model.image.levels",
            self.levels,
            "rising numbers from 1 to 5; the paper uses [2, 3, 4, 5]",
        )
        check(self.width > 0 and self.width % 8 == 0, "model.image.width", self.width, "a multiple of 8")


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """Section `model.text`."""

    tower: str  # small: trained here over the corpus vocabulary | open_clip:<name of open_clip.list_models()>
    width: int  # of the small tower; an open_clip tower brings its own
    layers: int  # transformer layers of the small tower; 0 averages its words, so that order says nothing
    start: Literal["random", "images", "regions"]  # of the small tower's words (training/word_start.py)
    weights: str | None  # open_clip: null: random; a .safetensors file; or a pretrained tag, which is fetched
    frozen: bool  # the tower does not train and its embeddings are kept; `small` always trains

    def __post_init__(self) -> None:
        _check_name("model.text.tower", self.tower, SMALL, OPEN_CLIP)
        is_small = self.tower == SMALL
        check(self.width > 0 and self.width % 8 == 0, "model.text.width", self.width, "a multiple of 8")
        check(self.layers >= 0, "model.text.layers", self.layers, "at least 0")
        check(not is_small or self.weights is None, "model.text.weights", self.weights, "null for `small`")
        check(
            is_small or self.start == "random", "model.text.start", self.start, "random for open_clip towers"
        )
        check(
            not (is_small and self.frozen),
            "model.text.frozen",
            self.frozen,
            "false for `small`: it starts at random, so frozen it would never know a word",
        )


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Section `model`."""

    image: ImageSettings
    text: TextSettings
    embed_dim: int  # joint width D of regions and words

    def __post_init__(self) -> None:
        check(self.embed_dim > 0, "model.embed_dim", self.embed_dim, "at least 1")
        fits = self.text.layers == 0 and self.text.width == self.embed_dim == self.image.components
        check(
            self.text.start == "random" or fits,
            "model.text.start",
            self.text.start,
            "random; images or regions where model.text.layers is 0 and model.text.width, model.embed_dim "
            "and model.image.components are one number",
        )


def _check_name(key: str, value: str, plain: str, prefix: str) -> None:
    known = value == plain or (value.startswith(prefix) and len(value) > len(prefix))
    check(known, key, value, f"{plain}, or {prefix}<name>")
