import json
import pickle

import pytest
import shipped
import torch
from torch import nn
from training_sections import tiny_run

from ovseg_core import files
from ovseg_core.methods.registry import build
from ovseg_core.training.checkpoint import (
    CheckpointError,
    load_model,
    load_state,
    pack,
    save_model,
    save_state,
    start_from,
    unpack,
)

WORDS = ["blue", "red"]


def config_of(method: str, words: list[str] = WORDS) -> dict:
    run = tiny_run(method)
    return {
        "run": "tiny",
        "method": method,
        "settings": run["settings"],
        "model": run["model"],
        "words": words,
    }


def trained(method: str, words: list[str] = WORDS) -> nn.Module:
    torch.manual_seed(3)
    config = config_of(method, words)
    return build(method, config["settings"], config["model"], words)


@pytest.fixture
def folder(tmp_path):
    """A saved `clip_dense` model."""
    save_model(str(tmp_path / "model"), trained("clip_dense").state_dict(), config_of("clip_dense"))
    return tmp_path / "model"


def test_a_model_comes_back_in_evaluation_mode(folder):
    model = load_model(folder)
    assert not model.training
    expected = trained("clip_dense").state_dict()
    assert expected.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name])


def test_loading_leaves_the_callers_randomness_alone(folder):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_model(folder)
    assert torch.equal(torch.rand(1), expected)


def test_weights_that_came_from_a_file_are_not_looked_for_again(tmp_path):
    config = config_of("masks")
    config["model"]["image"]["weights"] = None
    save_model(str(tmp_path), trained("masks").state_dict(), config)
    stored = json.loads((tmp_path / "config.json").read_text())
    stored["model"]["text"]["weights"] = "/gone/weights.safetensors"
    (tmp_path / "config.json").write_text(json.dumps(stored))
    load_model(tmp_path)


def test_equal_content_has_equal_bytes():
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2).t(), "c": torch.tensor(1)}
    again = {name: tensors[name].clone() for name in ("c", "a", "b")}
    note = {"x": 1, "y": [0.1, "z"]}
    assert pack(tensors, note) == pack(again, dict(reversed(note.items())))
    found, said = unpack(pack(tensors, note))
    assert said == note
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_state_comes_back_in_its_groups(tmp_path):
    path = str(tmp_path / "state.safetensors")
    assert load_state(path) is None
    save_state(path, {"model": {"a:b/c": torch.ones(2)}, "average": {"w": torch.zeros(1)}}, {"step": 7})
    groups, note = load_state(path)
    assert note == {"step": 7}
    assert torch.equal(groups["model"]["a:b/c"], torch.ones(2))
    assert torch.equal(groups["average"]["w"], torch.zeros(1))
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}; a model folder holds"):
        load_model(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config.json"):
        load_model(tmp_path / "nowhere")


def test_another_method_than_expected_is_refused(folder):
    with pytest.raises(CheckpointError, match="holds a model of method 'clip_dense'; 'openseg' is expected"):
        load_model(folder, method="openseg")


def test_weights_of_another_method_are_refused(folder):
    save_model(str(folder.parent / "other"), trained("masks").state_dict(), config_of("masks"))
    (folder.parent / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"weights of method 'masks'.*is of method 'clip_dense'"):
        load_model(folder)


def test_another_vocabulary_is_refused(folder):
    config = files.read_json(folder / "config.json")
    files.write_json(
        folder / "config.json", {**config, "words": ["green", "red"]}
    )  # as many words, so it would fit
    with pytest.raises(CheckpointError, match="another vocabulary than the 2 words"):
        load_model(folder)


def test_a_config_that_describes_another_model_is_refused(folder):
    config = files.read_json(folder / "config.json")
    config["model"]["embed_dim"] = 16
    files.write_json(folder / "config.json", config)
    with pytest.raises(CheckpointError, match=r"does not fit method 'clip_dense'.*other shapes for"):
        load_model(folder)


@pytest.mark.parametrize("given", [2, None, "1"])
def test_an_unknown_format_is_refused(folder, given):
    config = files.read_json(folder / "config.json")
    files.write_json(folder / "config.json", {**config, "format": given})
    with pytest.raises(CheckpointError, match="this version reads format 1"):
        load_model(folder)


def test_broken_json_and_missing_keys_are_refused(folder):
    config = files.read_json(folder / "config.json")
    files.write_json(folder / "config.json", {k: v for k, v in config.items() if k != "words"})
    with pytest.raises(CheckpointError, match="lacks words"):
        load_model(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="no valid JSON"):
        load_model(folder)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_pickles_are_refused_and_never_opened(folder, tmp_path):
    with pytest.raises(CheckpointError, match="pickled checkpoint, which can run code"):
        load_model(tmp_path / "checkpoint.pth")
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="is a pickle"):
        load_model(folder)
    torch.save({"w": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="is a pickle"):
        load_model(folder)


def test_a_cut_file_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="no safetensors file"):
        load_model(folder)


def ovsegmentor(**change):
    torch.manual_seed(5)
    settings = {**shipped.DEFAULT["methods"]["ovsegmentor"], **change}
    model = tiny_run("clip_dense")["model"]
    return build("ovsegmentor", settings, model, WORDS), settings, model


def test_self_training_starts_from_the_backbone_that_labelled(tmp_path):
    torch.manual_seed(0)
    model, values = tiny_run("clip_dense")["model"], shipped.DEFAULT["methods"]
    first = build("sseg", values["sseg"], model, WORDS)
    config = {"run": "a", "method": "sseg", "settings": values["sseg"], "model": model, "words": WORDS}
    save_model(str(tmp_path), first.state_dict(), config)
    second = build("upernet", values["upernet"], model, ["sky"])
    start_from(second, tmp_path, "upernet")
    kept, given = second.image.backbone.state_dict(), first.image.backbone.state_dict()
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], value) for name, value in given.items())
    options = {"img_size": 32, "patch_size": 8, "depth": 4, "embed_dim": 12, "num_heads": 3}
    vit = {**model["image"], "backbone": "timm:vit_tiny_patch16_224", "options": options}
    other = build("upernet", {**values["upernet"], "layers": [1, 2, 3, 4]}, {**model, "image": vit}, ["sky"])
    with pytest.raises(CheckpointError, match="which has no part in common with upernet"):
        start_from(other, tmp_path, "upernet")


def test_a_second_stage_starts_from_the_first(tmp_path):
    first, settings, section = ovsegmentor(objective="none", mask_weight=0.0)
    config = {"run": "a", "method": "ovsegmentor", "settings": settings, "model": section, "words": WORDS}
    save_model(str(tmp_path / "first"), first.state_dict(), config)
    second = ovsegmentor()[0]
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1.0)
    start_from(second, tmp_path / "first", "ovsegmentor")
    loaded = second.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in first.state_dict().items())
    assert loaded.keys() > first.state_dict().keys()  # decoder and momentum model are new
    with pytest.raises(CheckpointError, match=r"group_tokens \(1, 8, 8\), here \(1, 4, 8\)"):
        start_from(ovsegmentor(num_groups=4)[0], tmp_path / "first", "ovsegmentor")
    with pytest.raises(CheckpointError, match="a model of 'ovsegmentor', not of 'groupvit'"):
        start_from(second, tmp_path / "first", "groupvit")
    save_model(str(tmp_path / "whole"), second.state_dict(), config)
    with pytest.raises(CheckpointError, match=r"this run has no \['completed"):
        start_from(first, tmp_path / "whole", "ovsegmentor")
