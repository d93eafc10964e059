"""Sections `teachers.<name>` of params.yaml, by `kind`. No torch here: checking parameters stays cheap."""

from dataclasses import dataclass

from ovseg_core.params import check


@dataclass(frozen=True, kw_only=True)
class MaskTeacherSettings:
    """A teacher of kind `mask_model`."""

    threshold: float  # probability above which a pixel belongs to a mask

    def __post_init__(self) -> None:
        check(
            0 < self.threshold < 1,
            "teachers.<name>.threshold",
            self.threshold,
            "between 0 and 1; usually 0.5",
        )


TEACHER_SETTINGS: dict[str, type] = {"mask_model": MaskTeacherSettings}
