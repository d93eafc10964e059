"""params.yaml as it was committed: tests must not depend on the recipe that a user has laid over it since."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ovseg_core import params
from pipelines import recipe

ROOT = Path(__file__).resolve().parent.parent


def content() -> bytes:
    """The committed file; in a copy without git's history, the file itself."""
    shown = subprocess.run(["git", "show", "HEAD:./params.yaml"], cwd=ROOT, capture_output=True)
    return shown.stdout if shown.returncode == 0 else (ROOT / "params.yaml").read_bytes()


DEFAULT = YAML(typ="safe").load(content())


def lay(folder: Path, *changes: str | Mapping[str, Any]) -> Path:
    """Write the committed params.yaml into `folder` with recipes (names or contents) laid over it."""
    target = folder / "params.yaml"
    target.write_bytes(content())
    recipe.apply([recipe.load(one) if isinstance(one, str) else one for one in changes], target)
    return target


def values(folder: Path, *changes: str | Mapping[str, Any]) -> dict[str, Any]:
    """The content of what `lay` writes."""
    return params.read(lay(folder, *changes))
