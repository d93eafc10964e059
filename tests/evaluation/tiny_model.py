"""A model folder with random weights, as training leaves it behind."""

import torch

from ovseg_core.methods.registry import build
from ovseg_core.training.checkpoint import save_model

WORDS = ["red", "green", "lime", "blue", "white"]
IMAGE = {
    "backbone": "conv",
    "weights": None,
    "frozen": False,
    "frozen_norm": False,
    "normalize": "half",
    "levels": [2, 3, 4, 5],
    "components": None,
    "final_map": False,
    "output_stride": 32,
    "options": {},
    "width": 16,
}
TEXT = {"tower": "small", "width": 16, "layers": 1, "start": "random", "weights": None, "frozen": False}
OPENSEG = {
    "regions": "learnt",
    "num_regions": 4,
    "layers": 1,
    "positions": 8,
    "head": "conv",
    "alpha": 1.0,
    "kp": 0.75,
    "sync": False,
    "region_temperature": None,
    "mask_negatives": False,
    "grounding_weight": 1.0,
    "word_weight": 0.0,
}


def write_model(folder, words=WORDS, seed=0, method="openseg", settings=OPENSEG):
    """`models/{run}/{seed}` of a model that has seen nothing."""
    config = {
        "run": "tiny",
        "method": method,
        "settings": settings,
        "model": {"image": IMAGE, "text": TEXT, "embed_dim": 16},
        "words": list(words),
        "seed": seed,
        "corpus": "words and scenes",
        "size": 32,
    }
    torch.manual_seed(seed)
    model = build(config["method"], config["settings"], config["model"], config["words"])
    save_model(str(folder), model.state_dict(), config)
    return folder
