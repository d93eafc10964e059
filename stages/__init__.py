"""One thin module per DVC stage: paths from the command line, choices from params.yaml, call, write."""

import logging
import sys
from collections.abc import Callable

from ovseg_core import params
from ovseg_core.params import ParamError
from pipelines import settings


def run(main: Callable[[], None]) -> None:
    """Run a stage. All of params.yaml is checked before any work; a wrong value ends in one line."""
    logging.captureWarnings(True)
    try:
        settings.resolve(params.read("params.yaml"))
        main()
    except ParamError as error:
        sys.exit(f"{sys.argv[0].rpartition('/')[2].removesuffix('.py')}: {error}")
