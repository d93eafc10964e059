"""Recipes: partial params files in pipelines/recipes/. Applying one shows what it changes."""

import io
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ovseg_core import files
from ovseg_core.params import ParamError, read

FOLDER = Path(__file__).parent / "recipes"
OPEN = (
    *("runs", "teachers", "methods", "teach", "plus", "self_train"),
    "model.image.options",
)  # take keys that params.yaml lacks
WHOLE = {"runs", "teachers", "plus"}  # replaced, not merged: a recipe's runs are all the runs there are


def names() -> list[str]:
    """The recipes that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(recipe: str) -> Path:
    """The file of a recipe, by name or by path."""
    path = Path(recipe) if recipe.endswith((".yaml", ".yml")) else FOLDER / f"{recipe}.yaml"
    if not path.is_file():
        raise ParamError(f"recipe is {recipe!r}; accepted: {', '.join(names())}, or the path of a YAML file")
    return path


def parse_override(text: str) -> dict[str, Any]:
    """`a.b=value` -> `{"a": {"b": value}}`, the value read as YAML."""
    key, found, value = text.partition("=")
    if not found or not key:
        raise ParamError(f"--set is {text!r}; accepted: section.key=value")
    change: Any = YAML(typ="safe").load(value)
    for part in reversed(key.split(".")):
        change = {part: change}
    return change


def lay_over(document: Any, change: Mapping[str, Any], whole: Collection[str], key: str = "") -> list[str]:
    """Change a loaded YAML document in place, comments kept; returns a line per changed value.

    Raises:
        ParamError: for a key that params.yaml does not have (what OPEN names excepted).
    """
    lines = []
    for name, value in change.items():
        full = f"{key}.{name}" if key else str(name)
        if name not in document and not key.startswith(OPEN):
            raise ParamError(
                f"{full} is {value!r}: there is no such key; {key or 'params.yaml'} has {', '.join(document)}"
            )
        old = document.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and full not in whole:
            lines += lay_over(old, value, whole, full)
        elif old != value:
            put(document, name, value)
            lines.append(f"{full}: {plain(old)} -> {plain(value)}")
    return lines


def put(document: Any, name: str, value: Any) -> None:
    """Set one value; the comment behind it stays."""
    document[name] = value
    if name in document.ca.items:
        document.ca.items[name][3] = None  # says that a block follows the comment, which may be true no more


def plain(value: Any) -> str:
    """One line for a value of any kind."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {plain(item)}" for name, item in value.items()) + "}"
    return "null" if value is None else str(value)


def apply(
    changes: Sequence[Mapping[str, Any]], params_file: Path, overrides: Sequence[str] = ()
) -> list[str]:
    """Lay recipes, then overrides (`a.b=value`), over `params_file`; returns what changed, a line each.

    Raises:
        ParamError: for an unknown key, or where the file would not read back; it is then left as it was.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes, yaml.default_flow_style = 120, True, None
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    document = yaml.load(params_file.read_text())
    lines = [line for change in changes for line in lay_over(document, change, WHOLE)]
    lines += [line for text in overrides for line in lay_over(document, parse_override(text), ())]
    buffer = io.BytesIO()
    yaml.dump(document, buffer)
    if not reads_as(buffer.getvalue(), document):
        raise ParamError(f"{params_file} would not read back as what was laid over it: {'; '.join(lines)}")
    with files.atomic(params_file) as handle:
        handle.write(buffer.getvalue())
    return lines


def reads_as(text: bytes, document: Any) -> bool:
    """Whether the text is YAML that says what the document does."""
    try:
        return bool(YAML(typ="safe").load(text) == document)
    except YAMLError:
        return False


def edited(params_file: Path) -> bool:
    """Whether it differs from what git holds of it; False where there is no git."""
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--", params_file.name]
    try:
        return bool(subprocess.run(command, cwd=params_file.parent, capture_output=True).stdout)
    except FileNotFoundError:  # no git at all
        return False


def load(recipe: str) -> dict[str, Any]:
    """The content of a recipe."""
    return read(find(recipe))
