"""The page: sections in order, tables and figures numbered, one HTML file that loads nothing."""

from collections.abc import Iterator
from importlib.resources import files as resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ovseg_core.reporting import (
    classes,
    effort,
    funnel,
    gallery,
    protocols,
    results,
    scores,
    significance,
    training,
)
from ovseg_core.reporting.blocks import Block, Section
from ovseg_core.reporting.naming import in_order
from ovseg_core.reporting.scores import Scores, mean_and_spread
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep

PREFIXES = {
    "table": "Table",
    "figure": "Figure",
    "picture": "Figure",
    "gallery": "Figure",
    "scenes": "Figure",
}


def build(sources: Sources, sweep: Sweep, settings: ReportSettings) -> tuple[bytes, bytes]:
    """The content of `index.html` and of `comparison.csv`: the same for the same inputs."""
    found = scores.load(sources, sweep)
    sections = [
        results.section(found, sweep),
        significance.section(sources, found, sweep),
        classes.per_class(sources, found, sweep),
        classes.probe(found, sweep),
        gallery.section(sources, found, sweep, settings),
        funnel.section(sources, settings),
        training.section(sources, sweep),
        effort.throughput(sources),
        protocols.section(found, sweep),
    ]
    return render(sections, glance(sources, found, sweep)).encode(), found.csv()


def render(sections: list[Section], facts: list[tuple[str, str]]) -> str:
    """HTML of the sections; every text in them is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources("ovseg_core.reporting")
    template = environment.from_string((folder / "template.html.j2").read_text())
    style = Markup((folder / "style.css").read_text())  # ours, so it is no text to escape
    numbered = list(number(sections))
    return template.render(sections=numbered, facts=facts, style=style)


def number(sections: list[Section]) -> Iterator[tuple[Section, list[tuple[str, Block]]]]:
    """Sections with their blocks, each table and figure labelled: `Table 1`, `Figure 1`, ..."""
    counts: dict[str, int] = {}
    for section in sections:
        labelled = []
        for block in section.blocks:
            prefix = PREFIXES.get(block.kind, "")
            counts[prefix] = counts.get(prefix, 0) + 1
            labelled.append((f"{prefix} {counts[prefix]}" if prefix else "", block))
        yield section, labelled


def glance(sources: Sources, found: Scores, sweep: Sweep) -> list[tuple[str, str]]:
    """What the page is about, in a few pairs of name and value."""
    facts = [("runs", str(len(sweep.runs))), ("seeds", ", ".join(map(str, sweep.seeds)))]
    for benchmark in in_order(sweep.benchmarks):
        means = {
            r.name: mean_and_spread(values)[0]
            for r in sweep.readings()
            if not r.oracle and (values := found.values(r.name, benchmark, "miou"))
        }
        if means:
            name = max(means, key=lambda key: means[key])
            facts.append((f"best mIoU, {benchmark}", f"{means[name]:.1f} {name}"))
    steps = (sources.json("data/corpus/funnel.json") or {}).get("steps", [])
    if steps:
        facts.append(("URLs to samples", f"{steps[0]['in']:,} → {steps[-1]['out']:,}"))
    leaks = sources.json("data/corpus/leaks.json")
    if leaks is not None:
        facts.append(("leaked images", f"{sum(map(len, leaks.values())):,}"))
    world = sources.json("data/web/world.json")
    if world:
        facts.append(("source, data", f"{world.get('source', '')}, {str(world.get('fingerprint', ''))[:12]}"))
    return facts
