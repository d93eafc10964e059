"""Section `web` of params.yaml: where URLs, labelled images and benchmarks come from."""

from dataclasses import dataclass
from typing import Literal

from ovseg_core.params import check


@dataclass(frozen=True, kw_only=True)
class ToySettings:
    """Section `web.toy`: how large the toy world is."""

    scenes: int  # for training, labelled and captioned together
    labelled: float  # share of them with human masks
    side: int  # pixels
    val_scenes: int
    test_scenes: int
    held_out_scenes: int  # further scenes per benchmark, of compositions that never occur in training

    def __post_init__(self) -> None:
        key = "web.toy"
        check(self.scenes > 0, f"{key}.scenes", self.scenes, "at least 1")
        check(0 <= self.labelled <= 1, f"{key}.labelled", self.labelled, "a share from 0 to 1")
        check(16 <= self.side <= 512, f"{key}.side", self.side, "16 to 512 pixels")
        check(self.val_scenes > 0, f"{key}.val_scenes", self.val_scenes, "at least 1")
        check(self.test_scenes > 0, f"{key}.test_scenes", self.test_scenes, "at least 1")
        check(self.held_out_scenes >= 0, f"{key}.held_out_scenes", self.held_out_scenes, "0 or more")

    @property
    def num_labelled(self) -> int:
        """Scenes with human masks."""
        return round(self.scenes * self.labelled)


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Section `web`. `urls` and `format` are read by the source `urls`, `folder` by `photos` and `urls`."""

    source: Literal["toy", "photos", "urls"]
    seed: int
    port: int  # of the local site, on loopback
    folder: str | None
    urls: str | None
    format: Literal[
        "auto", "cc3m", "coco", "redcaps", "localized_narratives", "parquet", "tsv", "csv", "jsonl"
    ]
    toy: ToySettings

    def __post_init__(self) -> None:
        check(self.seed >= 0, "web.seed", self.seed, "0 or more")
        check(0 < self.port < 65536, "web.port", self.port, "1 to 65535; below 1024 only root may listen")
        needs = {"photos": ("folder", self.folder), "urls": ("urls", self.urls)}
        if self.source in needs:
            name, value = needs[self.source]
            check(bool(value), f"web.{name}", value, f"a path, which web.source: {self.source} reads from")


@dataclass(frozen=True)
class WebFolders:
    """Where a source writes to."""

    web: str  # URLs, what the local site serves, world.json
    labelled: str  # shards with human masks
    benchmarks: str  # a folder each
    weights: str  # of backbones that come with the source; else empty
