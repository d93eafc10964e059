"""What was dropped on the way from listed URLs to kept samples, step by step, with every reason."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core import files, shards

logger = logging.getLogger(__name__)
BATCH = 65_536  # rows of the ledger at a time


class Funnel:
    """Counts of drops per step; the steps and their order are given when it is made."""

    def __init__(self, *steps: str) -> None:
        self.drops: dict[str, Counter[str]] = {step: Counter() for step in steps}

    def drop(self, step: str, reason: str, number: int = 1) -> None:
        """Count samples that end at `step`."""
        if number:
            self.drops[step][reason] += number

    def steps(self, number: int) -> list[dict[str, Any]]:
        """`[{name, in, out, drops}]` for `number` samples that came to the first step."""
        listed = []
        for name, drops in self.drops.items():
            out = number - sum(drops.values())
            listed.append({"name": name, "in": number, "out": out, "drops": dict(sorted(drops.items()))})
            number = out
        return listed


class Ledger:
    """Summary of `ledger.parquet`: rows, failures by reason, and the keys of exact duplicates."""

    def __init__(self, path: Path | str) -> None:
        self.rows = self.fetched = 0
        self.failures: Counter[str] = Counter()
        duplicates = [pa.array([], pa.string())]
        with files.open_read(path) as handle:
            columns = ["status", "reason", "key", "duplicate_of"]
            for batch in shards.open_parquet(handle).iter_batches(BATCH, columns=columns):
                rows = pa.table(batch)
                success = pc.equal(rows["status"], "success")
                self.rows += len(rows)
                self.fetched += pc.sum(success).as_py() or 0
                failed = rows.filter(pc.invert(success))
                self.failures.update(_counts(pc.coalesce(failed["reason"], failed["status"])))
                copies = pc.and_(success, pc.not_equal(pc.fill_null(rows["duplicate_of"], ""), ""))
                duplicates.append(rows["key"].filter(copies).combine_chunks())
        self.duplicates = pa.concat_arrays(duplicates)

    def steps(self, in_shards: int) -> list[dict[str, Any]]:
        """The funnel from listed URLs to the samples that the shards hold."""
        if in_shards > self.fetched:
            logger.warning("the shards hold %d samples, their ledger knows %d", in_shards, self.fetched)
            return []
        funnel = Funnel("fetched", "in shards")
        for reason, number in self.failures.items():
            funnel.drop("fetched", reason, number)
        funnel.drop("in shards", "missing_from_shards", self.fetched - in_shards)
        steps = funnel.steps(self.rows)
        return steps if in_shards < self.fetched else steps[:1]


def _counts(values: pa.ChunkedArray) -> Mapping[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values).to_pylist()}
