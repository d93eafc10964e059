"""What a stage did, how fast and what it dropped: one JSON file per stage, one line at its end."""

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ovseg_core import files

logger = logging.getLogger(__name__)


class RunLog:
    """Counts of one stage. Use as a context manager; the file is written when the block ends well.

    `startup_s` is what passed before `work_starts()` was called (imports, Ray), so that the report can
    tell framework time from work.
    """

    def __init__(self, stage: str, path: Path | str | None) -> None:
        self.stage, self.path = stage, path
        self.items, self.unit = 0, "items"
        self.drops: Counter[str] = Counter()
        self.facts: dict[str, Any] = {}
        self.startup_s = 0.0

    def __enter__(self) -> "RunLog":
        logging.basicConfig(level=logging.INFO, format=f"{self.stage}: %(message)s")
        self.started = time.perf_counter() - time.process_time()  # imports count as start-up
        return self

    def work_starts(self) -> None:
        """Mark the end of start-up."""
        self.startup_s = time.perf_counter() - self.started

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            return
        seconds = time.perf_counter() - self.started
        rate = self.items / max(seconds - self.startup_s, 1e-9)
        content = {
            "stage": self.stage,
            "items": self.items,
            "unit": self.unit,
            "seconds": round(seconds, 2),
            "startup_s": round(self.startup_s, 2),
            "per_second": round(rate, 1),
            "drops": dict(sorted(self.drops.items())),
            **self.facts,
        }
        dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.drops.items())) or "nothing"
        logger.info("%d %s in %.1f s (%.1f/s); dropped: %s", self.items, self.unit, seconds, rate, dropped)
        if self.path:
            files.write_json(self.path, content)
