"""Settings for tests of training: small, and every choice that a test does not make is the plainest one."""

from ovseg_core.training.settings import DataSettings, TrainSettings

DATA = {
    "labelled": 0.5,
    "captioned": True,
    "images": None,
    "pairs": 0.0,
    "words": None,
    "pseudo": "masks",
    "min_score": 0.5,
    "min_confidence": 0.0,
    "nms_iou": 0.7,
    "max_masks": 4,
    "size": 32,
    "scale_jitter": (0.8, 1.2),
    "flip": True,
    "mask_stride": 4,
    "window": 2,
    "memory_mb": 1,
    "threads": 1,
    "max_bad": 0.5,
}
TRAIN = {
    "steps": 10,
    "batch_size": 8,
    "lr": 0.01,
    "schedule": "cosine",
    "layer_decay": None,
    "text_lr_scale": 1.0,
    "weight_decay": 0.05,
    "warmup_steps": 2,
    "start": None,
    "clip_norm": 1.0,
    "accumulate": 1,
    "precision": "float32",
    "ema": None,
    "checkpoint_every": 5,
    "log_every": 2,
    "workers": 1,
    "threads": 1,
    "num_gpus": 0,
    "storage": None,
}


def data_settings(**changes: object) -> DataSettings:
    """Section `data` with some values changed."""
    return DataSettings(**{**DATA, **changes})


def train_settings(**changes: object) -> TrainSettings:
    """Section `train` with some values changed."""
    return TrainSettings(**{**TRAIN, **changes})


def tiny_model(**image: object) -> dict:
    """Section `model`: the small towers, as narrow as they get."""
    return {
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
            "width": 8,
            **image,
        },
        "text": {
            "tower": "small",
            "width": 8,
            "layers": 0,
            "start": "random",
            "weights": None,
            "frozen": False,
        },
        "embed_dim": 8,
    }


def tiny_run(method: str = "masks", train: dict | None = None, data: dict | None = None) -> dict:
    """The content of a train.json."""
    settings = {
        "masks": {"num_regions": 4, "layers": 1, "positions": 8, "quality_weight": 0.0},
        "clip_dense": {"head": "conv", "text": "caption", "sync": True, "mask_negatives": True},
        "lseg": {"temperature": 0.07},
    }
    return {
        "run": "tiny",
        "method": method,
        "settings": settings[method],
        "model": tiny_model(),
        "train": {**TRAIN, **(train or {})},
        "data": {**DATA, "scale_jitter": list(DATA["scale_jitter"]), **(data or {})},
    }
