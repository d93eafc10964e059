"""One thin module per DVC stage: paths from the command line, choices from params.yaml, call, write."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ovseg_core import params
from ovseg_core.params import ParamError
from pipelines import settings

logger = logging.getLogger(__name__)


def run(main: Callable[[], None], *expected: type[Exception]) -> None:
    """Run a stage. All of params.yaml is checked before any work.

    A wrong value ends in one line, and so do errors that are `expected`, such as a benchmark without a mask.
    """
    logging.captureWarnings(True)
    told: tuple[type[Exception], ...] = (ParamError, *expected)
    try:
        settings.resolve(params.read("params.yaml"))
        main()
    except told as error:
        sys.exit(f"{sys.argv[0].rpartition('/')[2].removesuffix('.py')}: {error}")


def warn_if_unwatched(stage: str, key: str, path: str, folder: str) -> None:
    """Say so where a file that params.yaml names lies outside the folder that DVC watches for the stage."""
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder)):
        logger.warning(
            "%s is %s: DVC watches files in %s only. After an edit of this one, run "
            "`dvc repro --force --single-item %s`, or move it or a link to it there",
            *(key, path, folder, stage),
        )
