"""What a page is made of: sections that hold tables, figures, galleries and remarks.

Text in these is plain and may be anything, captions of strangers included: the template escapes it.
Only `Figure.svg` is markup, and only `figures.to_svg` makes it.
"""

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    note: str = ""  # smaller and grey, after the text: a spread, a unit
    css: str = ""  # class names: `number`, `best`, `name`
    swatch: str = ""  # colour of a mark before the text
    bar: tuple[float, ...] = ()  # shares of the cell's width in percent, drawn one after another


@dataclass(frozen=True)
class Table:
    """A table with a caption. `groups` heads spans of columns: (title, number of columns)."""

    columns: list[str]
    rows: list[list[Cell]]
    caption: str
    groups: list[tuple[str, int]] = field(default_factory=list)
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A drawing with a caption; `alt` says in words what is drawn."""

    svg: Markup
    caption: str
    alt: str
    kind: str = "figure"


@dataclass(frozen=True)
class Picture:
    """A raster image with a caption."""

    uri: str  # data URI
    caption: str
    alt: str
    kind: str = "picture"


@dataclass(frozen=True)
class Tile:
    """One small image of a gallery."""

    uri: str
    label: str = ""  # above it, or at the head of its column
    swatch: str = ""
    chips: tuple[tuple[str, str], ...] = ()  # (colour, text) below it


@dataclass(frozen=True)
class Strip:
    """One scene: its images side by side and, for training scenes, its caption."""

    title: str
    tiles: list[Tile]
    caption: list[tuple[str, str]] = field(default_factory=list)  # (text, class name or "")
    words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Gallery:
    """Scenes below each other, with the same steps in the same columns."""

    strips: list[Strip]
    caption: str
    columns: int
    legend: tuple[tuple[str, str], ...] = ()  # (colour, class name)
    kind: str = "gallery"


@dataclass(frozen=True)
class Remark:
    """A line of text; `tone` is `plain` or `missing` (a part that is left out, and why)."""

    text: str
    tone: str = "plain"
    kind: str = "remark"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, with a tag that sets it apart."""

    text: str
    tag: str = ""
    kind: str = "heading"


Block = Table | Figure | Picture | Gallery | Remark | Heading


@dataclass(frozen=True)
class Section:
    """One numbered section of the page."""

    anchor: str
    title: str
    blocks: list[Block]


def missing(text: str) -> Remark:
    """A remark that says which part is left out, and why."""
    return Remark(text, tone="missing")
