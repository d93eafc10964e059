"""Section `report` of params.yaml. Imports no drawing library: every stage checks it."""

from dataclasses import dataclass

from ovseg_core.params import check


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Section `report` of params.yaml."""

    gallery: int  # scenes that are followed through every step; 0 leaves the gallery out
    seed: int  # draws the training scenes of the gallery

    def __post_init__(self) -> None:
        check(
            0 <= self.gallery <= 100,
            "report.gallery",
            self.gallery,
            "from 0 to 100 scenes: they lie in the page",
        )
        check(self.seed >= 0, "report.seed", self.seed, "0 or more")
