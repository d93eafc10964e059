"""`stages -> pipelines -> ovseg_core`, never back; in the core, a package knows those below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = {"ovseg_core": 0, "pipelines": 1, "stages": 2}
FORBIDDEN_IN_CORE = {"ray", "dvc", "argparse", "fire", "click", "typer"}
BOTTOM = {"records", "params", "files", "shards", "hashing", "run_log", "processes"}
# what a package of the core may import, besides itself and the bottom
ALLOWED = {
    "text": set(),
    "masks": set(),
    "benchmarks": {"text", "masks"},
    "web": {"benchmarks"},
    "metrics": set(),
    "losses": {"masks"},
    "models": {"text", "masks"},
    "methods": {"text", "masks", "losses", "models"},
    "training": {"text", "masks", "methods"},
    "teachers": {"masks", "models", "methods", "training"},
    "evaluation": {"text", "masks", "metrics", "benchmarks", "methods", "training"},
    "reporting": {"masks", "text", "metrics"},
}
SLOW = {"timm", "open_clip", "torchvision"}  # seconds to import, of every stage that loads a model
SOURCES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Full dotted names that a file imports, also inside functions."""
    return names_of(ast.walk(ast.parse(path.read_text())))


def names_of(nodes) -> set[str]:
    """Full dotted names that import statements name."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    layer = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        assert LAYERS.get(top, 0) <= LAYERS[layer], f"{path} imports {name}"
        if layer == "ovseg_core":
            assert top not in FORBIDDEN_IN_CORE, f"{path} imports {name}"
        if layer == "stages":
            assert top != "ray", f"{path} imports {name}: Ray belongs in pipelines/"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_slow_to_import_is_imported_where_it_is_used(path):
    at_once = names_of(ast.parse(path.read_text()).body)
    assert not SLOW & {name.split(".")[0] for name in at_once}


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if p.relative_to(ROOT).parts[0] == "ovseg_core"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_packages_of_the_core_know_only_those_below(path):
    package = path.relative_to(ROOT / "ovseg_core").parts[0].removesuffix(".py")
    used = {name.split(".")[1] for name in imports(path) if name.startswith("ovseg_core.")}
    allowed = BOTTOM if package in BOTTOM | {"__init__"} else BOTTOM | ALLOWED[package] | {package}
    assert used <= allowed, f"{path}: {package} may not import {sorted(used - allowed)}"
