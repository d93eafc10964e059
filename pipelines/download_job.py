"""One URL list on its way into one folder of shards: plan, fetch, canonicalise, account for every row."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ovseg_core import files, shards
from ovseg_core.params import check
from ovseg_core.web import canonical, fetched, ledger, safety, site, url_list
from pipelines.fetch import DownloadError, Fetch
from pipelines.fetch_child import PATIENCE

KEEP_SMALL = ("keep_ratio", "keep_ratio_largest")  # modes in which a smaller image stays as it is


@dataclass(frozen=True, kw_only=True)
class DownloadSettings:
    """Section `download` of params.yaml."""

    processes: int
    threads: int  # per process: URLs that are waited for at the same time
    shard_size: int  # rows of the list per shard, with or without an image
    image_size: int  # pixels, as `resize` takes it
    resize: Literal["no", "keep_ratio", "border", "center_crop", "keep_ratio_largest"]
    min_image_size: int  # pixels of the shorter side
    timeout: float  # seconds without a byte; a whole answer may take PATIENCE times as long
    stall: float  # seconds without a finished request after which img2dataset is started again
    retry: bool
    allow_private: list[str]
    max_failed: float

    def __post_init__(self) -> None:
        for name in ("processes", "threads", "image_size"):
            check(getattr(self, name) > 0, f"download.{name}", getattr(self, name), "at least 1")
        most = canonical.MAX_SHARD_SIZE
        check(1 < self.shard_size <= most, "download.shard_size", self.shard_size, f"from 2 to {most}")
        check(self.min_image_size >= 0, "download.min_image_size", self.min_image_size, "at least 0")
        check(self.timeout > 0, "download.timeout", self.timeout, "above 0 seconds")
        least = PATIENCE * self.timeout
        check(
            self.stall > least, "download.stall", self.stall, f"above {PATIENCE} x download.timeout = {least}"
        )
        check(0 <= self.max_failed <= 1, "download.max_failed", self.max_failed, "from 0 to 1")
        safety.parse_allow(self.allow_private)

    def tool(self) -> dict[str, Any]:
        """The arguments of `img2dataset.download` that follow from the settings."""
        return {
            "input_format": "parquet",
            "output_format": "webdataset",
            "save_additional_columns": ["row"],
            "processes_count": self.processes,
            "thread_count": self.threads,
            "number_sample_per_shard": self.shard_size,
            "image_size": self.image_size,
            "resize_mode": self.resize,
            "resize_only_if_bigger": self.resize in KEEP_SMALL,
            "skip_reencode": True,  # a JPEG that needs no resizing keeps its bytes
            "min_image_size": self.min_image_size,
            "timeout": self.timeout,
        }


@dataclass(frozen=True)
class Report:
    """What a download came to."""

    rows: int
    images: int
    fetched: int  # rows that were requested in this run
    reasons: dict[str, int]  # of the rows without an image of their own
    startup_s: float  # of img2dataset


class Job:
    """One URL list on its way into one folder of shards.

    The rows to fetch are cut into shards of `shard_size`. A shard's fingerprint covers its rows and what
    shapes its bytes, the ledger's covers all of them, so a rerun knows what still holds. Rows recovered by
    retries lie in further shards, which hold as long as the ledger does.
    """

    def __init__(self, web: Path | str, out: Path | str, settings: DownloadSettings, work: Path) -> None:
        self.web, self.out, self.settings, self.work = web, out, settings, Path(work).absolute()
        listing = url_list.read(files.join(web, "urls.parquet"))
        self.plan = ledger.plan(listing, safety.parse_allow(settings.allow_private))
        self.requests = url_list.requests(listing["url"])
        self.listing = canonical.listed(listing, self.plan["uid"])
        self.rows = self.parts(np.flatnonzero(self.plan["status"].is_null()))
        self.prints = [self.print_of(number, rows) for number, rows in enumerate(self.rows)]
        refused = np.flatnonzero(self.plan["status"].is_valid())
        about = self.plan.select(["uid", "reason"]).take(refused).to_pydict()
        self.stamp = files.fingerprint(self.prints, refused.tolist(), about)
        self.ledger_path = files.join(out, "ledger.parquet")
        self.fetched, self.startup_s = 0, 0.0

    def parts(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows of the list, cut as img2dataset cuts them."""
        size = self.settings.shard_size
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def print_of(self, number: int, rows: np.ndarray) -> str:
        """Fingerprint of a shard: everything that its bytes depend on, the network apart."""
        s, tool = self.settings, metadata.version("img2dataset")
        choices = [canonical.VERSION, tool, s.image_size, s.resize, s.min_image_size]
        return files.fingerprint(number, choices, self.listing.take(rows).to_pylist())

    @property
    def retry_print(self) -> str:
        return files.fingerprint("retry", self.stamp)

    def is_complete(self) -> bool:
        """Whether the ledger and all shards that it names were made from this list with these settings."""
        if shards.stamp_of(self.ledger_path) != self.stamp:
            return False
        retried = self.numbers(shards.read_table(self.ledger_path))[len(self.rows) :]
        expected = [*enumerate(self.prints), *((number, self.retry_print) for number in retried)]
        return all(canonical.is_done(self.out, number, print_) for number, print_ in expected)

    def numbers(self, table: pa.Table) -> list[int]:
        """The shards of a ledger, in order: those of the list, then those of retries."""
        used = pc.unique(pc.utf8_slice_codeunits(table["key"].drop_null(), 0, -4))
        return sorted({*range(len(self.rows)), *map(int, used.to_pylist())})

    def fetch_all(self) -> None:
        """Fetch the shards that are not there yet, and write the ledger anew."""
        files.remove(self.ledger_path)  # it tells of another list, or of shards that are gone
        done = {n for n, print_ in enumerate(self.prints) if canonical.is_done(self.out, n, print_)}
        fetch = self.fetch(self.rows, done, self.stamp)

        def store(number: int) -> None:
            rows = self.rows[number]
            result = fetched.read(fetch.stem(number), rows)
            samples, reasons = canonical.judge(self.listing.take(rows), result)
            positions = np.flatnonzero(reasons.is_null())
            canonical.write_shard(self.out, number, samples, positions, reasons, self.prints[number])
            fetch.discard(number)

        self.run(fetch, store, 0)
        outcomes = [canonical.read_outcome(self.out, n, len(rows)) for n, rows in enumerate(self.rows)]
        self.write_ledger(self.plan, self.rows, outcomes)

    def fetch_failed(self) -> None:
        """Fetch the failed rows of the ledger again, and add shards for those that have an image now."""
        table = shards.read_table(self.ledger_path)
        failed = pc.equal(table["status"], "failed")
        if not pc.any(failed).as_py():
            return
        parts = self.parts(np.flatnonzero(failed))
        attempt = pc.max(table.filter(failed)["attempts"]).as_py()
        fetch = self.fetch(parts, set(), f"retry-{files.digest(self.ledger_path)}")

        def check_whole(number: int) -> None:
            fetched.read(fetch.stem(number), parts[number])

        self.run(fetch, check_whole, attempt)
        following, size = self.numbers(table)[-1] + 1, self.settings.shard_size
        packer = canonical.Packer(self.out, following, size, self.retry_print)
        outcomes = []
        for number, rows in enumerate(parts):
            result = fetched.read(fetch.stem(number), rows)
            samples, reasons = canonical.judge(self.listing.take(rows), result)
            outcomes.append((reasons, packer.add(samples, reasons)))
        packer.close()
        self.write_ledger(table, parts, outcomes)

    def fetch(self, parts: list[np.ndarray], done: set[int], name: str) -> Fetch:
        """Set up a working folder; what other lists left in the place of its own is deleted."""
        folder = self.work / name
        for other in self.work.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
        folder.mkdir(exist_ok=True)
        rows = np.concatenate([np.zeros(0, np.int64), *parts])
        pq.write_table(pa.table({"url": self.requests.take(rows), "row": rows}), folder / "requests.parquet")
        sizes = [len(part) for part in parts]
        tool = {**self.settings.tool(), "url_list": str(folder / "requests.parquet")}
        order = {"tool": tool, "allow": self.settings.allow_private}
        return Fetch(folder, sizes, done, order, self.settings.stall)

    def run(self, fetch: Fetch, on_shard: Callable[[int], None], attempt: int) -> None:
        """Fetch what is missing, from the local site where the list points there."""
        missing = set(range(len(fetch.sizes))) - fetch.done
        self.fetched = sum(fetch.sizes[number] for number in missing)
        if missing:
            with site.serve(self.web, attempt=attempt):
                fetch.run(on_shard)
        self.startup_s = fetch.startup_s

    def write_ledger(
        self, table: pa.Table, parts: list[np.ndarray], outcomes: list[tuple[pa.Array, pa.Array]]
    ) -> None:
        """Enter the outcomes (reasons and keys of each part) into the ledger, and mark duplicates."""
        if parts:
            reasons, keys = (pa.concat_arrays(column) for column in zip(*outcomes, strict=True))
            table = ledger.record(table, np.concatenate(parts), reasons, keys)
        numbers = self.numbers(table)
        if numbers:
            stored = pa.concat_tables(canonical.read_names(self.out, number) for number in numbers)
            table = ledger.mark_duplicates(table, *stored.combine_chunks().columns)
        shards.write_table(self.ledger_path, table, self.stamp)

    def tidy(self) -> None:
        """Delete what the ledger does not name: shards of an earlier list or of a retry that was killed."""
        files.sweep(self.out)
        numbers = self.numbers(shards.read_table(self.ledger_path, ["key"]))
        stems = {f"{number:05d}" for number in numbers} | {"ledger"}
        for path in [*files.listing(self.out, ".tar"), *files.listing(self.out, ".parquet")]:
            if shards.name_of(path) not in stems:
                files.remove(path)
        for folder in self.work.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

    def report(self) -> Report:
        """The counts of the ledger.

        Raises:
            DownloadError: when more than `max_failed` of the rows have no image.
        """
        table = shards.read_table(self.ledger_path, ["status", "reason"])
        reasons, share = ledger.counts(table), ledger.failed_share(table)
        if share > self.settings.max_failed:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
            raise DownloadError(
                f"{share:.1%} of the rows have no image; download.max_failed is {self.settings.max_failed}: "
                f"{counts}. What was fetched stays: raise the limit, or run `ovseg retry`"
            )
        images = pc.sum(pc.equal(table["status"], "success")).as_py()
        return Report(len(table), images, self.fetched, reasons, self.startup_s)
