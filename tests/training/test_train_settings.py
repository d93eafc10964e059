import pytest
from training_sections import DATA, TRAIN, data_settings, train_settings

from ovseg_core.params import ParamError, build
from ovseg_core.training.settings import DataSettings, FeatureSettings, TrainSettings

FEATURES = {
    "backbone": None,
    "size": 64,
    "actors": 2,
    "num_cpus": 1,
    "num_gpus": 0,
    "batch_size": 8,
    "precision": "auto",
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("steps", 0, "train.steps is 0; accepted: at least 1"),
        ("lr", 0.0, "train.lr is 0.0; accepted: above 0"),
        ("lr", "fast", "train.lr is 'fast'; it has to be of type float"),
        ("weight_decay", -0.1, "train.weight_decay is -0.1"),
        ("clip_norm", 0.0, "train.clip_norm is 0.0; accepted: above 0, or null"),
        ("ema", 1.0, "train.ema is 1.0; accepted: between 0 and 1, or null"),
        ("precision", "fp8", "train.precision is 'fp8'; accepted: auto, float32, bf16"),
        ("num_gpus", 2, "train.num_gpus is 2; accepted: 0 or 1; more GPUs need more train.workers"),
        (
            "accumulate",
            3,
            "train.batch_size is 8; accepted: a multiple of train.workers x train.accumulate = 3",
        ),
        ("workers", 0, "train.workers is 0; accepted: at least 1"),
    ],
)
def test_a_wrong_value_of_train_is_refused(key, value, message):
    with pytest.raises(ParamError) as error:
        build({**TRAIN, key: value}, "train", TrainSettings)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("labelled", 1.5, "data.labelled is 1.5; accepted: from 0 to 1"),
        ("images", 0, "data.images is 0; accepted: at least 1, or null"),
        ("max_bad", -1.0, "data.max_bad is -1.0"),
        ("window", 0, "data.window is 0; accepted: at least 1"),
        ("memory_mb", -1, "data.memory_mb is -1; accepted: at least 0"),
        ("scale_jitter", [1.2, 0.8], "data.scale_jitter is (1.2, 0.8); accepted: [lowest, highest]"),
        ("scale_jitter", [1.0], "data.scale_jitter is (1.0,)"),
        ("mask_stride", 5, "data.mask_stride is 5; accepted: a divisor of data.size = 32"),
    ],
)
def test_a_wrong_value_of_data_is_refused(key, value, message):
    with pytest.raises(ParamError) as error:
        build({**DATA, key: value}, "data", DataSettings)
    assert message in str(error.value)


def test_a_batch_needs_something_to_hold():
    with pytest.raises(ParamError, match=r"data.labelled is 0.0; .* nothing to train on"):
        data_settings(labelled=0.0, captioned=False)


@pytest.mark.parametrize(
    ("key", "value"), [("size", 0), ("actors", 0), ("num_cpus", 0), ("precision", "int8")]
)
def test_a_wrong_value_of_features_is_refused(key, value):
    with pytest.raises(ParamError, match=f"features.{key} is {value!r}"):
        build({**FEATURES, key: value}, "features", FeatureSettings)


def test_shares_of_a_batch():
    assert data_settings(labelled=0.25).labelled_share == 0.25
    assert data_settings(labelled=0.25, captioned=False).labelled_share == 1.0
    assert train_settings(batch_size=24, workers=2, accumulate=3).part_size == 4
