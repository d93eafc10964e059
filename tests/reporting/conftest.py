import shutil
from pathlib import Path

import pytest
from report_tree import PARAMS, write_project

from ovseg_core.reporting.sweep import Sweep


@pytest.fixture
def sweep() -> Sweep:
    return Sweep.of(PARAMS)


@pytest.fixture(scope="session")
def whole_project(tmp_path_factory) -> Path:
    """The complete tree; read only, tests that change it take `project`."""
    root = tmp_path_factory.mktemp("project")
    write_project(root, PARAMS)
    return root


@pytest.fixture
def project(whole_project, tmp_path) -> Path:
    """A tree of its own for one test."""
    return shutil.copytree(whole_project, tmp_path / "project")
