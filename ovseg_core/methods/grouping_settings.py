"""Sections `methods.ovsegmentor` and `methods.groupvit` of params.yaml. No torch here."""

from dataclasses import dataclass
from typing import Any, Literal

from ovseg_core.params import check
from ovseg_core.text.prompts import PROMPTS

Projection = Literal["linear", "mlp"]


@dataclass(frozen=True, kw_only=True)
class OVSegmentorSettings:
    """Section `methods.ovsegmentor`; symbols, equations and tables as in the paper."""

    num_groups: int  # K (Table 5)
    group_tokens: int | None  # learnt tokens that become the K groups: a grouping_block may mix more; null: K
    layers: tuple[int, ...]  # transformer layers before and behind the binding (6, 6)
    keep_tokens: bool  # the second encoder reads image tokens too, as in Eq. 2; false: groups alone
    binding: Literal["slots", "grouping_block"]  # Eq. 3-6; or the layers of the authors' code
    iterations: int  # rounds of slot attention; 1 in the paper
    slot_temperature: float | None  # null: dot products, as in Eq. 4; a number: cosines divided by it
    positions: int  # side of the map that position embeddings are learnt for, where no ViT brings some
    projection: Projection  # of groups to the joint space; mlp: two layers, as in GroupViT
    # L_entity (Table 4); none: without it
    objective: Literal[
        "all_entities", "one_entity", "all_nouns", "multi_label_contrastive", "mlm_with_groups", "mlm", "none"
    ]
    entity_weight: float  # 1 in Eq. 13
    num_prompts: int  # texts per image of multi_label_contrastive
    prompts: str  # a set of templates, of which one is drawn per text
    mask_weight: float  # lambda of Eq. 13; 0: without L_mask
    mask_from: float  # share of the training before which lambda is 0
    ratio: float  # r, share of the groups that stand for the shared entity (Table 5)
    delta: float  # threshold on target masks (Table 9)
    delta_of_peak: bool  # delta is a share of a mask's largest value, as in the authors' code
    momentum: float | None  # EMA coefficient of the momentum model; null: no such model (Table 10)
    mask_negatives: bool  # an image that has all curated words of a caption is no negative of it
    sync: bool  # contrast over the batch of all workers

    def __post_init__(self) -> None:
        key = "methods.ovsegmentor"
        _positive(self, key, "num_groups", "iterations", "positions", "num_prompts")
        _prompts(self.prompts, key)
        tokens = self.group_tokens
        check(
            len(self.layers) == 2 and min(self.layers) >= 0,
            f"{key}.layers",
            self.layers,
            "[before, behind the binding], both at least 0; the paper has [6, 6]",
        )
        check(
            tokens is None or (tokens > 0 and self.binding == "grouping_block"),
            f"{key}.group_tokens",
            tokens,
            "null, or a number above 0 where the binding is grouping_block",
        )
        temperature = self.slot_temperature
        check(
            temperature is None or temperature > 0, f"{key}.slot_temperature", temperature, "above 0, or null"
        )
        for name in ("entity_weight", "mask_weight"):
            check(getattr(self, name) >= 0, f"{key}.{name}", getattr(self, name), "at least 0")
        for name in ("mask_from", "delta"):
            check(0 <= getattr(self, name) <= 1, f"{key}.{name}", getattr(self, name), "from 0 to 1")
        check(0 < self.ratio <= 1, f"{key}.ratio", self.ratio, "above 0, up to 1 (all groups)")
        decay = self.momentum
        check(decay is None or 0 <= decay < 1, f"{key}.momentum", decay, "from 0 to below 1 (0.99), or null")


@dataclass(frozen=True, kw_only=True)
class GroupViTSettings:
    """Section `methods.groupvit` (arXiv:2202.11094)."""

    num_groups: tuple[int, ...]  # behind the two merges (64, 8)
    layers: tuple[int, ...]  # transformer layers before, between and behind the merges (6, 3, 3)
    positions: int  # side of the map that position embeddings are learnt for, where no ViT brings some
    projection: Projection  # of images and texts to the joint space
    num_prompts: int  # K nouns per caption, each in a prompt; 0: without the multi-label loss
    prompts: str
    mask_negatives: bool
    sync: bool

    def __post_init__(self) -> None:
        key = "methods.groupvit"
        _positive(self, key, "positions")
        _prompts(self.prompts, key)
        groups, layers = self.num_groups, self.layers
        check(
            len(groups) == 2 and 0 < groups[1] <= groups[0],
            f"{key}.num_groups",
            groups,
            "[behind the first merge, behind the second], falling; the paper has [64, 8]",
        )
        check(
            len(layers) == 3 and min(layers) >= 0,
            f"{key}.layers",
            layers,
            "[before, between, behind the merges]; the paper has [6, 3, 3]",
        )
        check(self.num_prompts >= 0, f"{key}.num_prompts", self.num_prompts, "at least 0")


def _positive(settings: Any, key: str, *names: str) -> None:
    for name in names:
        check(getattr(settings, name) > 0, f"{key}.{name}", getattr(settings, name), "at least 1")


def _prompts(name: str, key: str) -> None:
    check(name in PROMPTS, f"{key}.prompts", name, ", ".join(PROMPTS))
