"""Sections `methods.<name>` of params.yaml. No torch here: checking parameters stays cheap."""

from dataclasses import dataclass
from typing import Literal

from ovseg_core.methods.grouping_settings import GroupViTSettings, OVSegmentorSettings
from ovseg_core.params import check
from ovseg_core.text.prompts import PROMPTS


@dataclass(frozen=True, kw_only=True)
class OpenSegSettings:
    """Section `methods.openseg`; symbols and equations as in the paper."""

    # learnt masks; frozen: learnt ones that stay as train.start has them; or regions that need no training
    regions: Literal["learnt", "frozen", "grid", "kmeans"]
    num_regions: int  # N queries (128 in the paper), or clusters; a grid has the largest square below it
    layers: int  # T rounds of cross-attention
    positions: int  # side of the map that position embeddings are learnt for
    head: Literal["conv", "mlp", "none"]  # F_z from convolutions; or the last map, pooled: mapped, or as is
    alpha: float  # weight of L_S, Eq. 5; 0 leaves masks to the grounding loss (Table 8)
    kp: float  # probability to keep a word of a caption (App. H)
    sync: bool  # contrast over the batch of all workers (App. F)
    region_temperature: float | None  # softmax over regions, Eq. 3; null: the learnt tau, as in the paper
    mask_negatives: bool  # images that a caption describes too are no negatives of it
    grounding_weight: float  # of L_G; 1 in the paper
    word_weight: float  # of a word-to-image InfoNCE beside L_G; 0 in the paper

    def __post_init__(self) -> None:
        key = "methods.openseg"
        for name in ("num_regions", "layers", "positions"):
            check(getattr(self, name) > 0, f"{key}.{name}", getattr(self, name), "at least 1")
        for name in ("alpha", "grounding_weight", "word_weight"):
            check(getattr(self, name) >= 0, f"{key}.{name}", getattr(self, name), "at least 0")
        check(0 < self.kp <= 1, f"{key}.kp", self.kp, "above 0, up to 1 (keeps every word)")
        temperature = self.region_temperature
        check(
            temperature is None or temperature > 0,
            f"{key}.region_temperature",
            temperature,
            "above 0, or null",
        )


@dataclass(frozen=True, kw_only=True)
class MaskModelSettings:
    """Section `methods.masks`: L_S alone, the teacher of Sec. 3.3."""

    num_regions: int
    layers: int
    positions: int
    quality_weight: float  # of a loss that teaches it to score its masks; 0: the mean confidence is the score

    def __post_init__(self) -> None:
        for name in ("num_regions", "layers", "positions"):
            check(getattr(self, name) > 0, f"methods.masks.{name}", getattr(self, name), "at least 1")
        check(self.quality_weight >= 0, "methods.masks.quality_weight", self.quality_weight, "at least 0")


@dataclass(frozen=True, kw_only=True)
class ClipDenseSettings:
    """Section `methods.clip_dense`: contrast of whole images and captions, read per location."""

    head: Literal["conv", "mlp", "none"]  # F_z from convolutions; or the last map, pooled: mapped, or as is
    text: Literal["caption", "words"]  # the caption as it stands, or its curated words in a row
    sync: bool
    mask_negatives: bool  # an image that has all curated words of a caption is no negative of it


@dataclass(frozen=True, kw_only=True)
class LSegSettings:
    """Section `methods.lseg`: per-pixel cross-entropy to class names, on labelled data."""

    temperature: float  # of the cosines

    def __post_init__(self) -> None:
        check(self.temperature > 0, "methods.lseg.temperature", self.temperature, "above 0; LSeg takes 0.07")


@dataclass(frozen=True, kw_only=True)
class SSegSettings:
    """Section `methods.sseg`."""

    num_queries: int  # N
    layers: int  # rounds of the decoder
    positions: int  # side of the map that position embeddings are learnt for
    head: Literal["conv", "mlp", "none"]  # of the segments' embeddings, as in methods.openseg
    focal_weight: float  # of the matched masks' focal loss, and of the matching (20 in MaskFormer)
    dice_weight: float  # likewise of their Dice loss (1 in MaskFormer)
    num_prompts: int  # nouns and verbs per caption, each in a prompt; 0: captions alone
    prompts: str  # a set of templates, of which one is drawn per text
    mask_negatives: bool  # an image that has all curated words of a caption is no negative of it
    sync: bool  # contrast over the batch of all workers

    def __post_init__(self) -> None:
        key = "methods.sseg"
        for name in ("num_queries", "layers", "positions"):
            check(getattr(self, name) > 0, f"{key}.{name}", getattr(self, name), "at least 1")
        for name in ("focal_weight", "dice_weight", "num_prompts"):
            check(getattr(self, name) >= 0, f"{key}.{name}", getattr(self, name), "at least 0")
        check(self.prompts in PROMPTS, f"{key}.prompts", self.prompts, ", ".join(PROMPTS))


@dataclass(frozen=True, kw_only=True)
class MaskClipSettings:
    """Section `methods.maskclip`: a pretrained open_clip model (`model.text`), read per token."""

    tokens: Literal["value", "plain"]  # the value path of the last layer (MaskCLIP); or its plain tokens
    key_smoothing: float | None  # patches less sure than this take what patches with like keys say; 1: all
    prompt_denoising: float | None  # a name that no patch is surer of is taken out; 0.5 in the paper

    def __post_init__(self) -> None:
        for name in ("key_smoothing", "prompt_denoising"):
            share = getattr(self, name)
            check(
                share is None or 0 < share <= 1,
                f"methods.maskclip.{name}",
                share,
                "above 0, up to 1, or null",
            )


@dataclass(frozen=True, kw_only=True)
class ViTAttentionSettings:
    """Section `methods.vit_attention`: masks from the heads of a pretrained transformer (`model.image`)."""

    share: float  # of a head's attention that its mask holds; 0.6 in the papers

    def __post_init__(self) -> None:
        check(0 < self.share <= 1, "methods.vit_attention.share", self.share, "above 0, up to 1")


@dataclass(frozen=True, kw_only=True)
class SimCLRSettings:
    """Section `methods.simclr` (arXiv:2002.05709)."""

    crop: float  # least share of the image that a view shows
    temperature: float
    positions: int  # side of the map that position embeddings are learnt for, where no ViT brings some

    def __post_init__(self) -> None:
        check(0 < self.crop <= 1, "methods.simclr.crop", self.crop, "above 0, up to 1 (the whole image)")
        check(self.temperature > 0, "methods.simclr.temperature", self.temperature, "above 0")
        check(self.positions > 0, "methods.simclr.positions", self.positions, "at least 1")


@dataclass(frozen=True, kw_only=True)
class UperNetSettings:
    """Section `methods.upernet`: a segmenter of the classes that its labels name (S-Seg+)."""

    layers: tuple[int, ...]  # of a vision transformer whose maps are read (4, 6, 8, 12); others have levels
    pools: tuple[int, ...]  # sides of the grids of pyramid pooling (1, 2, 3, 6)

    def __post_init__(self) -> None:
        key, pools = "methods.upernet", self.pools
        check(
            bool(pools) and min(pools) > 0, f"{key}.pools", pools, "numbers above 0; UperNet has [1, 2, 3, 6]"
        )


METHOD_SETTINGS: dict[str, type] = {
    "openseg": OpenSegSettings,
    "masks": MaskModelSettings,
    "clip_dense": ClipDenseSettings,
    "lseg": LSegSettings,
    "ovsegmentor": OVSegmentorSettings,
    "groupvit": GroupViTSettings,
    "sseg": SSegSettings,
    "maskclip": MaskClipSettings,
    "vit_attention": ViTAttentionSettings,
    "simclr": SimCLRSettings,
    "upernet": UperNetSettings,
}
