"""One section of params.yaml -> one frozen settings class, which lives beside the code that it sets."""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

T = TypeVar("T")


class ParamError(ValueError):
    """A wrong parameter: the message holds the full key, the value given and what is accepted."""


def read(path: Path | str) -> dict[str, Any]:
    """A whole params file as plain dicts and lists. YAML 1.2, as DVC reads it: `1e-4` is a number."""
    try:
        content = YAML(typ="safe").load(Path(path).read_text())
    except YAMLError as error:
        raise ParamError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamError(f"{path} has to hold sections (`name:` lines); it holds {type(content).__name__}")
    return content


def load(path: Path | str, section: str, into: type[T]) -> T:
    """Build `into` from one section of a params file. Dots in `section` go down: `methods.openseg`."""
    given: Any = read(path)
    for part in section.split("."):
        if not isinstance(given, Mapping) or part not in given:
            raise ParamError(f"{path}: section {section!r} is missing; it sets {into.__name__}")
        given = given[part]
    return build(given, section, into)


def build(given: Any, key: str, into: type[T]) -> T:
    """Build the settings class `into` from a mapping; `key` is its place in params.yaml, for messages."""
    if not isinstance(given, Mapping):
        raise ParamError(f"{key} is {given!r}; it has to be a section with the keys {_names(into)}")
    known = set(_names(into))
    if missing := sorted(known - given.keys()):
        raise ParamError(f"{key} lacks {', '.join(f'{key}.{name}' for name in missing)}")
    if unknown := sorted(given.keys() - known, key=str):
        raise ParamError(
            f"{', '.join(f'{key}.{name} is {given[name]!r}' for name in unknown)}: "
            f"there is no such key; {key} has {', '.join(sorted(known))}"
        )
    hints = get_type_hints(into)
    values = {name: convert(given[name], f"{key}.{name}", hints[name]) for name in _names(into)}
    try:
        return into(**values)
    except ParamError:
        raise
    except ValueError as error:
        raise ParamError(str(error)) from error


def convert(value: Any, key: str, hint: Any) -> Any:
    """`value` as the type that a settings class asks for, or a ParamError that names `key`."""
    if is_dataclass(hint):
        return build(value, key, typing.cast(type, hint))
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(value, key, args)
    if origin is typing.Literal:
        if value not in args or isinstance(value, bool) != any(isinstance(a, bool) for a in args):
            raise ParamError(f"{key} is {value!r}; accepted: {', '.join(map(str, args))}")
        return value
    if origin in (list, tuple) and isinstance(value, Sequence) and not isinstance(value, str):
        items = [convert(item, f"{key}[{i}]", args[0]) for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if origin is dict and isinstance(value, Mapping):
        return {str(name): convert(item, f"{key}.{name}", args[1]) for name, item in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    expected = getattr(hint, "__name__", str(hint)) if origin is None else str(hint)
    raise ParamError(f"{key} is {value!r}; it has to be of type {expected}")


def check(condition: bool, key: str, value: Any, accepted: str) -> None:
    """Refuse a value out of range: `check(0 <= x < 1, "evaluate.overlap", x, "from 0 to below 1")`."""
    if not condition:
        raise ParamError(f"{key} is {value!r}; accepted: {accepted}")


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, section by section; lists and plain values are replaced."""
    merged = dict(base)
    for name, value in change.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def _names(into: type) -> list[str]:
    return [field.name for field in fields(typing.cast(Any, into))]


def _convert_union(value: Any, key: str, options: tuple[Any, ...]) -> Any:
    errors = []
    for option in options:
        if option is type(None):
            if value is None:
                return None
            continue
        try:
            return convert(value, key, option)
        except ParamError as error:
            errors.append(str(error))
    optional = " (or null)" if type(None) in options else ""
    raise ParamError(errors[0] + optional if errors else f"{key} is {value!r}; it has to be null")
