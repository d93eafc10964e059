"""One style for every figure, one colour per run, and SVG whose bytes depend on nothing but the data."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

WIDTH = 10.8  # inches at 96 px: the width of the page's column
INK, GREY, FAINT = "#222222", "#767676", "#dddddd"
KEPT, DROPPED = "#4c6a92", "#e2b48c"
# after Paul Tol's "muted" and "bright": apart in grey print and for the colour-blind
RUNS = [
    "#2f5d8a",
    "#c2553a",
    "#3f8f5f",
    "#b08a1e",
    "#7b4f9d",
    "#4aa3b8",
    "#a03c6a",
    "#6b6b2f",
    "#8c5a3c",
    "#5a6f7f",
]
MASKS = ["#e6194b", "#4363d8", "#f5b800", "#3cb44b", "#b23fd6", "#f58231", "#22b8cf", "#a9714b"]
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # words of captions may hold dollar signs
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelcolor": GREY,
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": "#999999",
    "ytick.color": "#999999",
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0,
    "xtick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # text stays text: it takes the page's typeface and can be searched
}
SVG_START = re.compile(r".*?(?=<svg)", re.DOTALL)
NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@contextmanager
def style() -> Iterator[None]:
    """Context in which every figure is drawn."""
    with matplotlib.rc_context(STYLE):
        yield


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches. No pyplot: nothing global is touched."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def to_svg(figure: Figure, name: str) -> Markup:
    """A drawn figure as an inline SVG element; `name` keeps its inner ids apart from other figures'."""
    buffer = io.BytesIO()
    salted: Any = {**STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(salted), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # words may be of any script: the browser has the fonts
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata)
    text = SVG_START.sub("", buffer.getvalue().decode(), count=1)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", text)
    return Markup(text.strip())


def draw(name: str, chart: Callable[..., Figure], *values: Any, **options: Any) -> Markup:
    """Call a chart function in the page's style and give its SVG."""
    with style():
        return to_svg(chart(*values, **options), name)


def plain(text: str, most: int = 40) -> str:
    """Text of unknown origin as one short line that XML can hold."""
    line = " ".join(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def run_colours(runs: Iterable[str]) -> dict[str, str]:
    """A colour for every run, in order; after ten they come again, darker."""
    return {run: mix(RUNS[i % len(RUNS)], 0.65 ** (i // len(RUNS)), 0.0) for i, run in enumerate(runs)}


def tint(colour: str, number: int) -> str:
    """The colour of a run's further readings: the run's own, lighter with every reading."""
    return mix(colour, 0.7**number, 1 - 0.7**number)


def mix(colour: str, share: float, white: float) -> str:
    """`share` of a colour and `white` of white, as hex."""
    red, green, blue = (share * part + white for part in to_rgb(colour))
    return to_hex((red, green, blue))
