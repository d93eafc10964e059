"""Reading and writing files that may lie on this machine or behind any fsspec URL.

A file appears whole or not at all: it is written under a temporary name in its own folder and renamed.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec

TEMPORARY = ".partial-"  # prefix of temporary names, so that folders can be swept after a crash


def is_url(path: Path | str) -> bool:
    """True for `s3://...` and the like, False for a local path."""
    return "://" in str(path)


def join(folder: Path | str, *names: str) -> str:
    """`folder/name/...` for local folders and URLs alike."""
    return "/".join([str(folder).rstrip("/"), *names])


@contextmanager
def atomic(path: Path | str) -> Iterator[IO[bytes]]:
    """Open `path` for writing; it takes its name only when the block ends without an error.

    Raises:
        OSError: with `path` in the message, when the disk is full or the folder cannot be written.
    """
    system, full = fsspec.core.url_to_fs(str(path))
    folder, _, name = full.rpartition("/")
    system.makedirs(folder or ".", exist_ok=True)
    temporary = f"{folder}/{TEMPORARY}{os.getpid()}-{name}" if folder else f"{TEMPORARY}{os.getpid()}-{name}"
    try:
        with system.open(temporary, "wb") as handle:
            yield handle
        system.mv(temporary, full)
    except BaseException as error:
        with suppress(OSError):
            system.rm(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
        raise


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write one whole file atomically."""
    with atomic(path) as handle:
        handle.write(content)


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON with sorted keys, so that the same content has the same bytes."""
    write_bytes(path, (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def absolute(path: Path | str) -> str:
    """The path as it is understood in any folder; URLs are so already."""
    return str(path) if is_url(path) else os.path.abspath(path)


def open_read(path: Path | str) -> IO[bytes]:
    """Open a local path or fsspec URL for reading bytes."""
    return fsspec.open(str(path), "rb").open()


def read_bytes(path: Path | str) -> bytes:
    """The whole content of a local path or fsspec URL."""
    with open_read(path) as handle:
        return handle.read()


def read_json(path: Path | str) -> Any:
    """JSON from a local path or fsspec URL."""
    return json.loads(read_bytes(path))


def exists(path: Path | str) -> bool:
    """Whether a file or folder is there."""
    system, full = fsspec.core.url_to_fs(str(path))
    return system.exists(full)


def listing(folder: Path | str, suffix: str) -> list[str]:
    """Paths of the files in `folder` that end in `suffix`, sorted; temporary files are left out."""
    system, full = fsspec.core.url_to_fs(str(folder))
    if not system.exists(full):
        return []
    names = sorted(path.rpartition("/")[2] for path in system.ls(full, detail=False))
    return [join(folder, n) for n in names if n.endswith(suffix) and not n.startswith(TEMPORARY)]


def make_folder(folder: Path | str) -> None:
    """Create a folder and those above it, unless they are there."""
    system, full = fsspec.core.url_to_fs(str(folder))
    system.makedirs(full, exist_ok=True)


def remove(path: Path | str) -> None:
    """Delete one file if it is there."""
    system, full = fsspec.core.url_to_fs(str(path))
    with suppress(FileNotFoundError):
        system.rm(full)


def remove_folder(folder: Path | str) -> None:
    """Delete a folder and all it holds, if it is there."""
    system, full = fsspec.core.url_to_fs(str(folder))
    with suppress(FileNotFoundError):
        system.rm(full, recursive=True)


def copy_folder(source: Path | str, target: Path | str) -> None:
    """Copy every finished file below `source` to the same place below `target`; either may be a URL."""
    system, full = fsspec.core.url_to_fs(str(source))
    for path in sorted(path for path in system.find(full) if f"/{TEMPORARY}" not in path):
        write_bytes(join(target, path.removeprefix(full).lstrip("/")), system.cat_file(path))


def sweep(folder: Path | str) -> None:
    """Delete what a killed process left half written."""
    system, full = fsspec.core.url_to_fs(str(folder))
    if system.exists(full):
        for path in system.ls(full, detail=False):
            if path.rpartition("/")[2].startswith(TEMPORARY):
                system.rm(path)


def digest(path: Path | str) -> str:
    """128-bit hex digest of a file's bytes."""
    with open_read(path) as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()  # type: ignore[arg-type]


def fingerprint(*parts: Any) -> str:
    """128-bit hex digest of JSON-able values: what made an output; a rerun knows by it what still holds."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)
