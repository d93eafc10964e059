"""params.yaml without the recipe that a user may have laid over it: tests must not depend on that."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ovseg_core import params
from pipelines import recipe

ROOT = Path(__file__).resolve().parent.parent


def content() -> bytes:
    """The file as it is, or as it was committed where its runs are others since: recipes replace them."""
    now = (ROOT / "params.yaml").read_bytes()
    if shutil.which("git") is None:
        return now
    shown = subprocess.run(["git", "show", "HEAD:./params.yaml"], cwd=ROOT, capture_output=True)
    committed = shown.stdout if shown.returncode == 0 else now
    return now if loaded(now)["runs"] == loaded(committed)["runs"] else committed


def loaded(text: bytes) -> dict[str, Any]:
    """What the file says."""
    values: dict[str, Any] = YAML(typ="safe").load(text)
    return values


CONTENT = content()
DEFAULT = loaded(CONTENT)


def lay(folder: Path, *changes: str | Mapping[str, Any]) -> Path:
    """Write that params.yaml into `folder` with recipes (names or contents) laid over it."""
    target = folder / "params.yaml"
    target.write_bytes(CONTENT)
    recipe.apply([recipe.load(one) if isinstance(one, str) else one for one in changes], target)
    return target


def values(folder: Path, *changes: str | Mapping[str, Any]) -> dict[str, Any]:
    """The content of what `lay` writes."""
    return params.read(lay(folder, *changes))
