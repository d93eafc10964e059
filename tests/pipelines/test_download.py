"""The download against a small site with faults; every kill ends in the bytes of an undisturbed run."""

import io
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shipped
from PIL import Image
from ports import free_port

from ovseg_core import files, shards
from ovseg_core.params import ParamError
from ovseg_core.web import fetched
from ovseg_core.web.site import Page, write_site
from pipelines import download_job, fetch
from pipelines.download import DownloadSettings, alone, download, retry_failed
from pipelines.fetch import DownloadError

ROOT = Path(__file__).resolve().parents[2]
PICTURES = 62
SIDE = 48


def jpeg(seed: int, side: int = SIDE, form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def half_grey_in_16_bits() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 0x8000, np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that has only its first lines."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(13, header), (9, b"IDAT" + b"x" * 9)]
    chunks = [struct.pack(">I", size) + part + struct.pack(">I", zlib.crc32(part)) for size, part in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def faults(secret: int) -> list[tuple[Page, str | None]]:
    """Pages that are no good picture, each with the reason that the ledger has to give."""
    good, cut = jpeg(1000), jpeg(1001)
    return [
        (Page(path="/missing", kind="not_found"), "http_404"),
        (Page(path="/error", kind="server_error"), "http_500"),
        (Page(path="/closed", kind="closed"), "connection"),
        (Page(path="/late", delay_s=30, body=good), "timeout"),
        (Page(path="/hung-up", kind="truncated", body=good), "incomplete"),
        (Page(path="/cut", body=cut[: len(cut) // 2]), "undecodable"),
        (Page(path="/page.jpg", kind="html", body=b"<!doctype html><p>Sign in"), "undecodable"),
        (Page(path="/tiny", body=jpeg(1002, 8)), "too_small"),
        (Page(path="/noai", body=jpeg(1003), headers='{"X-Robots-Tag": "noai"}'), "noai"),
        (Page(path="/inside", kind="redirect", location=f"http://127.0.0.1:{secret}/"), "private_address"),
        (Page(path="/huge.png", body=png_header(60_000, 60_000)), "too_large"),
        (Page(path="/moved", kind="redirect", location="/picture/0.jpg"), None),
        (Page(path="/drawing.png", body=jpeg(1004, form="PNG")), None),
        (Page(path="/deep.png", body=half_grey_in_16_bits()), None),
        *[(Page(path=f"/flaky/{i}.jpg", kind="flaky", body=jpeg(2000 + i)), "http_503") for i in range(3)],
    ]


class Web:
    """A folder as the stage `web` writes it, and what each of its URLs has to come to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = socket.create_server(("127.0.0.1", 0))  # nobody may connect to it
        self.port = free_port()
        pictures = [
            (Page(path=f"/picture/{i}.jpg", body=jpeg(i), delay_s=0.05 * (i % 4)), None)
            for i in range(PICTURES)
        ]
        bad = faults(self.secret.getsockname()[1])
        self.pages = [page for page, _ in pictures + bad]
        self.base = f"http://127.0.0.1:{self.port}"
        self.urls = [self.base + page.path for page in self.pages]
        self.reasons = [reason for _, reason in pictures + bad]
        self.urls += ["ftp://127.0.0.1/a", "http://10.0.0.1/a.jpg", self.urls[5]]
        self.reasons += ["bad_url", "private_address", "duplicate_row"]
        self.allow = [f"127.0.0.1:{self.port}"]
        write_site(folder / "site.parquet", self.pages, self.port)
        self.write_list(len(self.urls))

    def write_list(self, rows: int) -> None:
        captions = [f"caption {url}" for url in self.urls[:rows]]
        licences = [f"licence {i}" for i in range(rows)]
        table = pa.table({"url": self.urls[:rows], "caption": captions, "licence": licences})
        shards.write_table(self.folder / "urls.parquet", table)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    return Web(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def settings(web):
    return DownloadSettings(
        processes=2, threads=4, shard_size=20, image_size=SIDE, resize="no", min_image_size=16, timeout=2,
        stall=60, retry=False, allow_private=web.allow, max_failed=0.5,
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(web, settings, tmp_path_factory):
    """The shards of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    report = download(web.folder, folder / "shards", settings, folder / "work")
    assert report.fetched == len(web.urls) - 3
    assert [path.name for path in (folder / "work").iterdir()] == ["lock"]
    return folder / "shards"


@pytest.fixture
def copy(undisturbed, tmp_path):
    return Path(shutil.copytree(undisturbed, tmp_path / "shards"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def processes() -> list[tuple[int, int, str]]:
    """Number, group and command line of every live process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                found.append((int(entry.name), int(group), command))
    return found


def group_of(work: Path) -> dict[int, str]:
    """The live processes of the download that works in `work`, by number: the child and what it started."""
    children = {pid for pid, _, command in processes() if "fetch_child" in command and str(work) in command}
    return {pid: command for pid, group, command in processes() if group in children}


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def requests_ended(work: Path) -> int:
    return sum(path.stat().st_size for path in work.glob("*/beats/*"))


def test_every_row_is_accounted_for(web, undisturbed):
    ledger = pq.read_table(undisturbed / "ledger.parquet").to_pylist()
    assert [row["url"] for row in ledger] == web.urls
    assert [row["reason"] for row in ledger] == web.reasons
    refused = {"bad_url", "private_address", "noai", "duplicate_row"}
    for row in ledger:
        status = "refused" if row["reason"] in refused else "failed" if row["reason"] else "success"
        assert row["status"] == status
        assert row["attempts"] == (row not in ledger[-3:])  # the last three were never asked for
    same = {row["url"]: row["duplicate_of"] for row in ledger[:-1] if row["duplicate_of"]}
    moved = web.urls[web.reasons.index(None, PICTURES)]  # leads to picture 0
    assert same == {moved: ledger[0]["key"]}
    assert ledger[-1]["duplicate_of"] == ledger[5]["key"]


def test_nobody_reached_the_private_address(web, undisturbed):
    web.secret.settimeout(0.2)
    with pytest.raises(TimeoutError):
        web.secret.accept()


def test_images_are_stored_as_served(web, undisturbed):
    names = shards.list_shards(undisturbed)
    stored = {s["txt"].decode(): s for name in names for s in shards.read_tar(f"{name}.tar")}
    assert len(stored) == PICTURES + 3
    assert stored[f"caption {web.urls[7]}"]["jpg"] == jpeg(7)
    drawing, deep = (
        io.BytesIO(stored[f"caption {web.base}/{name}.png"]["jpg"]) for name in ("drawing", "deep")
    )
    assert Image.open(drawing).format == "JPEG"
    assert abs(np.asarray(Image.open(deep)).astype(int) - 127).max() <= 1
    table = pa.concat_tables(pq.read_table(f"{name}.parquet") for name in names)
    assert table["licence"].to_pylist()[:3] == ["licence 0", "licence 1", "licence 2"]
    assert {"key", "uid", "sha256", "phash", "exif", "original_width", "status"} <= set(table.column_names)


def test_a_complete_download_is_left_alone(web, settings, copy, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    (copy / "00077.tar").write_bytes(b"of a retry that was killed")
    assert download(web.folder, copy, settings, tmp_path / "work").fetched == 0
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_too_many_failures_fail_the_stage_and_lose_nothing(web, settings, undisturbed, copy, tmp_path):
    # of 82 rows one repeats another and 65 have an image: 16 / 81 = 19.8 %
    with pytest.raises(DownloadError, match=r"19\.8%.*max_failed is 0\.1: .*1 http_404, .*2 private_address"):
        download(web.folder, copy, replace(settings, max_failed=0.1), tmp_path / "work")
    assert contents(copy) == contents(undisturbed)


def test_a_killed_stage_leaves_no_process_and_a_rerun_the_same_bytes(web, settings, undisturbed, tmp_path):
    changed = shipped.DEFAULT | {"download": asdict(settings)}
    files.write_json(tmp_path / "params.yaml", changed)  # YAML 1.2 holds JSON
    command = [sys.executable, "-m", "stages.download", str(web.folder)]
    command += ["--out", "shards", "--log", "log.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    work = tmp_path / "work" / "download"
    stage = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    wait_for(lambda: list((tmp_path / "shards").glob("[!.]*.parquet")))
    group = group_of(work)
    stage.send_signal(signal.SIGKILL)
    stage.wait()
    assert len(group) >= 3  # img2dataset and its two workers
    wait_for(lambda: not group.keys() & {pid for pid, _, _ in processes()}, 10)
    assert 0 < len(list((tmp_path / "shards").glob("[!.]*.parquet"))) < 4
    assert len(list(work.glob("*/shards/*_stats.json"))) < 4  # they did not end by finishing without a site
    assert not (tmp_path / "shards" / "ledger.parquet").exists()
    # What a full disk or a power cut may have left: a shard that says it is finished and is not.
    raw = next(work.glob("*/shards"))
    (raw / "00003_stats.json").write_text("{}")
    (raw / "00003.tar").write_bytes(b"cut")
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert contents(tmp_path / "shards") == contents(undisturbed)
    assert files.read_json(tmp_path / "log.json")["drops"]["http_404"] == 1


@pytest.mark.parametrize("victim", ["fetch_child", "spawn_main"])
def test_a_killed_process_is_replaced(web, settings, undisturbed, tmp_path, victim):
    work, killed = tmp_path / "work", []

    def kill() -> None:
        wait_for(lambda: requests_ended(work) > 10)
        killed.append(next(pid for pid, command in group_of(work).items() if victim in command))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    # A pool that lost its worker waits for the shard forever: only the watch ends that.
    download(web.folder, tmp_path / "shards", replace(settings, processes=1, threads=8, stall=9), work)
    killer.join()
    assert killed
    assert contents(tmp_path / "shards") == contents(undisturbed)
    assert group_of(work) == {}


def test_retry_recovers_rows_and_touches_no_finished_shard(web, settings, undisturbed, copy, tmp_path):
    before = pq.read_table(copy / "ledger.parquet").to_pylist()
    failed = [row["url"] for row in before if row["status"] == "failed"]
    report = retry_failed(web.folder, copy, settings, tmp_path / "work")
    assert (report.fetched, report.images) == (len(failed), PICTURES + 3 + 3)
    after = pq.read_table(copy / "ledger.parquet").to_pylist()
    flaky = {row["url"]: row for row in after if "flaky" in row["url"]}
    assert [row["key"] for row in flaky.values()] == ["000040000", "000040001", "000040002"]
    for old, new in zip(before, after, strict=True):
        assert new["attempts"] == old["attempts"] + (old["status"] == "failed")
        assert (new == old) == (old["status"] != "failed")
    old, new = contents(undisturbed), contents(copy)
    assert set(new) - set(old) == {"00004.tar", "00004.parquet"}
    assert all(new[name] == old[name] for name in old if name != "ledger.parquet")
    assert [s["jpg"] for s in shards.read_tar(copy / "00004.tar")] == [jpeg(2000 + i) for i in range(3)]
    assert download(web.folder, copy, settings, tmp_path / "work").fetched == 0
    assert contents(copy) == new


def test_another_list_keeps_no_stale_shard(web, settings, undisturbed, copy, tmp_path):
    shorter = tmp_path / "web"
    shorter.mkdir()
    table = pq.read_table(web.folder / "urls.parquet")
    shards.write_table(shorter / "urls.parquet", table.slice(0, 40))
    # the first two shards of 20 rows hold, so nothing is fetched; there is no site to fetch from
    report = download(shorter, copy, settings, tmp_path / "work")
    assert (report.fetched, report.rows) == (0, 40)
    assert sorted(path.name for path in copy.iterdir()) == [
        "00000.parquet", "00000.tar", "00001.parquet", "00001.tar", "ledger.parquet",
    ]  # fmt: skip


def test_what_shapes_the_bytes_makes_other_shards(web, settings, tmp_path):
    def prints(**changes):
        return download_job.Job(web.folder, tmp_path, replace(settings, **changes), tmp_path).prints

    for name, value in (("image_size", 32), ("min_image_size", 20), ("resize", "border")):
        assert not set(prints(**{name: value})) & set(prints())
    assert prints(timeout=3, threads=1, processes=1, max_failed=1.0, stall=99) == prints()


def test_a_shard_that_never_becomes_whole_fails_with_its_number(web, settings, tmp_path, monkeypatch):
    read = fetched.read

    def lossy(stem, rows):
        if stem.name == "00001":
            raise fetched.BadSample("truncated_shard", "a full disk")
        return read(stem, rows)

    monkeypatch.setattr(fetched, "read", lossy)
    monkeypatch.setattr(fetch, "CHILDREN", 1)
    resized = replace(settings, resize="border", image_size=32)
    with pytest.raises(DownloadError, match=r"shards 1 \(20 URLs\) of 4 are missing; run again to continue"):
        download(web.folder, tmp_path / "shards", resized, tmp_path / "work")
    names = shards.list_shards(tmp_path / "shards")
    assert list(map(shards.name_of, names)) == ["00000", "00002", "00003"]
    table = pa.concat_tables(pq.read_table(f"{name}.parquet") for name in names)
    assert set(table["width"].to_pylist()) == {32}
    assert f"{web.base}/cut" not in table["url"].to_pylist()


def test_one_download_at_a_time(web, settings, tmp_path):
    with alone(tmp_path), pytest.raises(DownloadError, match="another download is at work"):
        download(web.folder, tmp_path / "shards", settings, tmp_path)


def test_retry_needs_a_complete_download(web, settings, tmp_path):
    with pytest.raises(DownloadError, match="holds no complete download"):
        retry_failed(web.folder, tmp_path / "shards", settings, tmp_path / "work")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"processes": 0}, "download.processes is 0"),
        ({"shard_size": 10_001}, "download.shard_size is 10001; accepted: from 2 to 10000"),
        ({"max_failed": 1.5}, "download.max_failed is 1.5"),
        ({"stall": 3.0}, "download.stall is 3.0; accepted: above 4 x"),
        ({"allow_private": ["127.0.0.1"]}, "download.allow_private is '127.0.0.1'"),
    ],
)
def test_wrong_settings_name_their_key(settings, change, message):
    with pytest.raises(ParamError, match=message):
        replace(settings, **change)
