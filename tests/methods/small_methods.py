"""Tiny models and batches that the method tests share."""

import torch

from ovseg_core.methods.registry import build
from ovseg_core.records import Batch

WORDS = ["fish", "red fish", "house", "sky"]
MODEL = {
    "image": {
        "backbone": "conv",
        "weights": None,
        "frozen": False,
        "frozen_norm": False,
        "normalize": "half",
        "levels": [2, 3],
        "components": None,
        "final_map": False,
        "output_stride": 32,
        "options": {},
        "width": 32,
    },
    "text": {"tower": "small", "width": 16, "layers": 1, "start": "random", "weights": None, "frozen": False},
    "embed_dim": 16,
}
SETTINGS = {
    "openseg": {
        "regions": "learnt",
        "num_regions": 4,
        "layers": 1,
        "positions": 8,
        "head": "conv",
        "alpha": 2.0,
        "kp": 1.0,
        "sync": True,
        "region_temperature": 0.1,
        "mask_negatives": True,
        "grounding_weight": 1.0,
        "word_weight": 0.5,
    },
    "masks": {"num_regions": 4, "layers": 1, "positions": 8, "quality_weight": 1.0},
    "clip_dense": {"head": "conv", "text": "caption", "sync": True, "mask_negatives": True},
    "lseg": {"temperature": 0.07},
    "ovsegmentor": {
        "num_groups": 4,
        "group_tokens": None,
        "layers": [1, 1],
        "keep_tokens": True,
        "binding": "slots",
        "iterations": 1,
        "slot_temperature": None,
        "positions": 8,
        "projection": "linear",
        "objective": "all_entities",
        "entity_weight": 1.0,
        "num_prompts": 2,
        "prompts": "single",
        "mask_weight": 0.1,
        "mask_from": 0.0,
        "ratio": 0.5,
        "delta": 0.5,
        "delta_of_peak": False,
        "momentum": 0.9,
        "mask_negatives": True,
        "sync": True,
    },
    "sseg": {
        "num_queries": 4,
        "layers": 1,
        "positions": 8,
        "head": "conv",
        "focal_weight": 20.0,
        "dice_weight": 1.0,
        "num_prompts": 2,
        "prompts": "single",
        "mask_negatives": True,
        "sync": True,
    },
    "simclr": {"crop": 0.25, "temperature": 0.2, "positions": 8},
    "upernet": {"layers": [4, 6, 8, 12], "pools": [1, 2]},
    "groupvit": {
        "num_groups": [8, 4],
        "layers": [1, 1, 1],
        "positions": 8,
        "projection": "linear",
        "num_prompts": 2,
        "prompts": "single",
        "mask_negatives": True,
        "sync": True,
    },
}


def make(method, model=MODEL, seed=0, **change):
    """A small model of one method."""
    torch.manual_seed(seed)
    return build(method, {**SETTINGS[method], **change}, model, WORDS)


def batch(size=4, seed=0):
    """Images with a bright square each; every second one in red, with other words."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.2 * torch.rand(size, 3, 32, 32, generator=generator)
    masks = torch.zeros(size, 2, 8, 8, dtype=torch.bool)
    for b in range(size):
        top = 2 * (b % 3)
        images[b, b % 2, 4 * top : 4 * top + 16, 8:24] += 0.7
        masks[b, 0, top : top + 4, 2:6] = True
        masks[b, 1] = ~masks[b, 0]
    said = [["fish", "red fish", "sky"] if b % 2 == 0 else ["house", "sky"] for b in range(size)]
    half = size // 2  # rows b and b + half are partners; where half is odd they share the sky alone
    return Batch(
        keys=[str(b) for b in range(size)],
        images=images,
        captions=[" and ".join(words) for words in said],
        words=said,
        masks=masks,
        num_masks=torch.full((size,), 2),
        labels=torch.tensor([[0, 2] if b % 2 == 0 else [1, 2] for b in range(size)]),
        label_names=["fish", "house", "sky"],
        seed=seed,
        nouns=[[word for word in words if " " not in word] for words in said],
        entities=[[word for word in words if " " not in word] for words in said],
        entity_names=["fish", "house", "sky"],
        partner=[b + half if b < half else b - half for b in range(size)],
        shared=["sky"] * size,
    )
