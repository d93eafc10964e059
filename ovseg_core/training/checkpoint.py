"""Models and training states on disk: safetensors and JSON, never a pickle.

A model folder holds `model.safetensors`, `config.json` (enough to load it without params.yaml),
`summary.json` and `curves/`. A training state is one file, so that it appears whole or not at all.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ovseg_core import files
from ovseg_core.methods.registry import METHODS, build
from ovseg_core.params import ParamError

logger = logging.getLogger(__name__)
FORMAT = 1
CONFIG_KEYS = {"format", "method", "settings", "model", "words"}
NOTE = "ovseg"  # the one metadata key: safetensors writes several in random order
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


class CheckpointError(ValueError):
    """A model folder that cannot be used; the message says what is wrong and what to do."""


def pack(tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> bytes:
    """Tensors and a JSON-able note as safetensors bytes; the same content gives the same bytes."""
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    return save(plain, {NOTE: json.dumps(note, sort_keys=True)})


def unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `pack` was given.

    Raises:
        CheckpointError: when the bytes are no such file.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        note = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(NOTE, "{}")
        return load(content), json.loads(note)
    except (SafetensorError, ValueError, AttributeError) as error:
        raise CheckpointError(f"no safetensors file: {error}") from error


def save_state(path: str, tensors: Mapping[str, Mapping[str, Tensor]], note: Mapping[str, Any]) -> None:
    """Write a training state atomically: groups of tensors (model, optimiser, average) and plain values."""
    flat = {f"{group}:{name}": value for group, some in tensors.items() for name, value in some.items()}
    files.write_bytes(path, pack(flat, note))


def load_state(path: str) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """What `save_state` wrote, or None where there is no state yet."""
    if not files.exists(path):
        return None
    flat, note = unpack(files.read_bytes(path))
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in flat.items():
        group, _, rest = name.partition(":")
        groups.setdefault(group, {})[rest] = value
    return groups, note


def save_model(folder: str, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write `model.safetensors` and `config.json`; the weights carry what they belong to."""
    files.write_bytes(files.join(folder, "model.safetensors"), pack(tensors, _note(config)))
    files.write_json(files.join(folder, "config.json"), {"format": FORMAT, **config})


def load_components(tower: nn.Module, path: str) -> None:
    """Give an image tower with `model.image.components` those that the `features` stage found.

    Raises:
        ParamError: when that stage found none.
    """
    components = getattr(tower, "components", None)
    if components is None:
        return
    if not files.exists(path):
        raise ParamError(
            f"model.image.components is {components.basis.shape[1]}, but {path} is missing: the stage "
            "`features` finds them where features.backbone is set and model.image is the same"
        )
    components.load(unpack(files.read_bytes(path))[0])


def load_model(folder: Path | str, method: str | None = None) -> nn.Module:
    """The trained method of a model folder, in evaluation mode.

    Args:
        method: refuse a model of any other method; None takes whichever is there.

    Raises:
        CheckpointError: when files are missing, are pickles, or do not belong together; the message says
        which.
    """
    config = read_config(folder)
    if method is not None and config["method"] != method:
        raise CheckpointError(
            f"{folder} holds a model of method {config['method']!r}; {method!r} is expected"
        )
    path = files.join(folder, "model.safetensors")
    content = files.read_bytes(path)
    try:
        tensors, note = unpack(content)
    except CheckpointError as error:
        # a safetensors file may begin so too, with the length of its header; the header itself is JSON
        if content.startswith((b"PK", b"\x80")) and content[8:9] != b"{":
            raise CheckpointError(f"{path} is a pickle, which can run code and is never loaded") from error
        raise CheckpointError(f"{path}: {error}") from error
    _check_note(path, note, config)
    return _filled(config, tensors, path)


def start_from(model: nn.Module, folder: Path | str, method: str) -> None:
    """Load the weights of a model folder into a method that may have more parts, such as a second loss's.

    The folder is of the same method, or of one that the model `starts_from`, some of whose parts it has.

    Raises:
        CheckpointError: when the folder holds another method or vocabulary, parts that the model lacks, or
            tensors of another shape (such as another number of groups).
    """
    config = read_config(folder)
    accepted = (method, *getattr(model, "starts_from", ()))
    if config["method"] not in accepted:
        raise CheckpointError(
            f"train.start is {folder}, a model of {config['method']!r}, not of "
            f"{' or '.join(map(repr, accepted))}"
        )
    given, _ = unpack(files.read_bytes(files.join(folder, "model.safetensors")))
    own = model.state_dict()
    if config["method"] != method:  # what the two have in common
        given = {name: value for name, value in given.items() if name in own}
        if not given:
            raise CheckpointError(f"train.start is {folder}, which has no part in common with {method}")
    extra = sorted(given.keys() - own.keys())
    wrong = [
        f"{name} {tuple(given[name].shape)}, here {tuple(own[name].shape)}"
        for name in given
        if name in own and own[name].shape != given[name].shape
    ]
    if extra or wrong:
        raise CheckpointError(
            f"train.start is {folder}, whose model is built otherwise: of another shape are {wrong[:3]}, "
            f"and this run has no {extra[:3]}. Its config.json holds its settings"
        )
    try:
        model.load_state_dict(given, strict=False)
    except ValueError as error:
        raise CheckpointError(f"train.start is {folder}: {error}") from error
    fresh = sorted(own.keys() - given.keys())
    logger.info("starts from %s; %d tensors are new, such as %s", folder, len(fresh), fresh[:3])


def read_config(folder: Path | str) -> dict[str, Any]:
    """`config.json` of a model folder, checked."""
    if str(folder).endswith(PICKLES):
        raise CheckpointError(
            f"{folder} is a pickled checkpoint, which can run code when it is read, so it is never loaded; "
            "give a folder with model.safetensors and config.json"
        )
    for name in ("config.json", "model.safetensors"):
        if not files.exists(files.join(folder, name)):
            raise CheckpointError(
                f"{folder} has no {name}; a model folder holds model.safetensors and config.json, "
                "as the train stage writes them into models/{run}/{seed}"
            )
    try:
        config = files.read_json(files.join(folder, "config.json"))
    except ValueError as error:
        raise CheckpointError(f"{folder}/config.json is no valid JSON: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        given = config.get("format") if isinstance(config, dict) else config
        raise CheckpointError(
            f"{folder}/config.json has format {given!r}; this version reads format {FORMAT}. "
            "Train the model again, or use the version of ovseg that wrote it"
        )
    if missing := sorted(CONFIG_KEYS - config.keys()):
        raise CheckpointError(f"{folder}/config.json lacks {', '.join(missing)}")
    if config["method"] not in METHODS:
        raise CheckpointError(
            f"{folder}/config.json names the method {config['method']!r}; known: {', '.join(METHODS)}"
        )
    return config


def _note(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": config["method"], "words": files.fingerprint(config["words"]), "format": FORMAT}


def _check_note(path: str, note: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    expected = _note(config)
    if note.get("method") != expected["method"]:
        raise CheckpointError(
            f"{path} holds weights of method {note.get('method')!r}, but the config.json beside it "
            f"is of method {expected['method']!r}: the two files do not belong together"
        )
    if note.get("words") != expected["words"]:
        raise CheckpointError(
            f"{path} was trained with another vocabulary than the {len(config['words'])} words of the "
            f"config.json beside it ({note.get('words')} against {expected['words']}): scores would be "
            "meaningless. Take both files from one training"
        )


def _filled(config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str) -> nn.Module:
    with torch.random.fork_rng(
        devices=[]
    ):  # the fresh weights are thrown away: leave the caller's randomness
        model = build(config["method"], config["settings"], _without_files(config["model"]), config["words"])
    own, given = model.state_dict(), tensors
    wrong = [name for name in own if name in given and own[name].shape != given[name].shape]
    lacks, extra = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if wrong or lacks or extra:
        raise CheckpointError(
            f"{path} does not fit method {config['method']!r} as config.json describes it: "
            f"it lacks {lacks[:3]}, "
            f"has unknown {extra[:3]}, and other shapes for {wrong[:3]}"
        )
    model.load_state_dict(dict(given))
    return model.eval()


def _without_files(model: Mapping[str, Any]) -> dict[str, Any]:
    """The model section with towers that start empty: their weights are in the checkpoint."""
    return {
        name: {**part, "weights": None} if isinstance(part, Mapping) and "weights" in part else part
        for name, part in model.items()
    }
