"""Where the page finds what the other stages wrote. Whatever is missing reads as None and is left out."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ovseg_core import files, shards


@dataclass(frozen=True)
class Sources:
    """The folder of a project: `data/`, `models/`, `logs/` and `reports/runs/` lie in it."""

    root: str = "."

    def path(self, *names: str) -> str:
        """`root/names...`, a local path or a URL."""
        return files.join(self.root, *names)

    def exists(self, *names: str) -> bool:
        """Whether a file or folder is there."""
        return files.exists(self.path(*names))

    def json(self, *names: str) -> Any | None:
        """A JSON file, or None."""
        return files.read_json(self.path(*names)) if self.exists(*names) else None

    def bytes(self, *names: str) -> bytes | None:
        """A file's content, or None."""
        return files.read_bytes(self.path(*names)) if self.exists(*names) else None

    def table(self, *names: str) -> pa.Table | None:
        """A parquet table, or None."""
        return shards.read_table(self.path(*names)) if self.exists(*names) else None

    def listing(self, *names: str, suffix: str) -> list[str]:
        """Names (not paths) of the files of a folder that end in `suffix`, sorted."""
        return [path.rpartition("/")[2] for path in files.listing(self.path(*names), suffix)]

    def folders_with(self, *names: str, suffix: str) -> list[str]:
        """Names of the folders inside a folder that hold a file ending in `suffix`, sorted."""
        inside = self.listing(*names, suffix="")
        return [name for name in inside if self.listing(*names, name, suffix=suffix)]
