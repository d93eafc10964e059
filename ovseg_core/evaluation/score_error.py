"""What is wrong with predictions or truth that are to be scored, with the first offenders named."""

import json
from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from pathlib import Path
from typing import Any

SHOWN = 3


class ScoreError(ValueError):
    """Files that cannot be scored; the message names the file and the first entries at fault."""


def refuse(offenders: Collection[Any], path: Path, text: str) -> None:
    """Raise ScoreError when there are offenders: `path: text: a, b, c and 4 more`."""
    if offenders:
        shown = ", ".join(str(entry) for entry in list(offenders)[:SHOWN])
        more = f" and {len(offenders) - SHOWN} more" if len(offenders) > SHOWN else ""
        raise ScoreError(f"{path}: {text}: {shown}{more}")


def repeated(keys: Iterable[Hashable]) -> list[Any]:
    """The keys that come more than once, each once, in their order."""
    return [key for key, count in Counter(keys).items() if count > 1]


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ScoreError: when it is missing, a folder, or no JSON.
    """
    if not path.is_file():
        raise ScoreError(f"{path} is {'a folder, not a JSON file' if path.is_dir() else 'missing'}")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ScoreError(f"{path} is no JSON: {error}") from error


def read_truth(path: Path) -> dict[str, Any]:
    """COCO JSON with `images`, `annotations` and `categories`, none empty, ids once each.

    Raises:
        ScoreError: naming what is missing, empty or repeated.
    """
    truth = read_json(path)
    parts = ("images", "annotations", "categories")
    if not isinstance(truth, dict) or (absent := [part for part in parts if part not in truth]):
        found = f"lacks {', '.join(absent)}" if isinstance(truth, dict) else f"is a {type(truth).__name__}"
        raise ScoreError(f"{path} {found}; a truth is COCO JSON with images, annotations and categories")
    if empty := [part for part in parts if not truth[part]]:
        raise ScoreError(f"{path}: {', '.join(empty)} is empty; there is nothing to score against")
    for part in parts:
        strange = [n for n, entry in enumerate(truth[part]) if not isinstance(entry, dict)]
        refuse(strange, path, f"entries of {part} that are no object")
    for part in ("images", "categories"):
        ids = [entry.get("id") for entry in truth[part]]
        refuse([key for key in ids if not is_id(key)], path, f"ids of {part} that are not whole numbers")
        refuse(repeated(ids), path, f"ids that several {part} have")
    return truth


def is_id(value: Any) -> bool:
    """A whole number from 0, as every id of COCO is; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def titles(truth: dict[str, Any]) -> dict[int, str]:
    """Category id -> name, or the id where a name is missing or comes twice."""
    named = {entry["id"]: str(entry.get("name", entry["id"])) for entry in truth["categories"]}
    twice = set(repeated(named.values()))
    return {key: str(key) if name in twice else name for key, name in named.items()}
