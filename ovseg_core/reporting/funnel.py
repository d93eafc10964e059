"""The data: from listed URLs to kept samples with every reason for a drop, words, the leak check."""

from typing import Any

import pyarrow.compute as pc

from ovseg_core.reporting import data_charts, figures, parses
from ovseg_core.reporting.blocks import Block, Cell, Figure, Picture, Remark, Section, Table, missing
from ovseg_core.reporting.data_charts import Bar
from ovseg_core.reporting.pictures import embed
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources

PARTS = {"noun": "nouns", "adjective": "adjectives", "verb": "verbs", "phrase": "phrases"}
MOST_WORDS = 15  # per part of speech


def section(sources: Sources, settings: ReportSettings) -> Section:
    """World, funnel, ledger, words, nouns, captions, leaks: whichever of them is there."""
    blocks = [*_world(sources), *_funnel(sources), *_ledger(sources), *_words(sources), *_nouns(sources)]
    blocks += [parses.section(sources, settings), _leaks(sources)]
    return Section("data", "Data", blocks)


def _world(sources: Sources) -> list[Block]:
    world = sources.json("data/web/world.json") or {}
    picture = sources.bytes("data/web/world.png")
    if picture is None:
        return [missing(f"No picture of the world: the source is {world.get('source', 'unknown')!r}.")]
    held_out = len(world.get("held_out") or [])
    caption = (
        f"Scenes of the {world.get('source', '')} world: {len(world.get('things', []))} things in "
        f"{len(world.get('stuff', []))} backgrounds; compositions held out of training: {held_out}. "
        f"Data {str(world.get('fingerprint', 'unknown'))[:12]}."
    )
    return [
        Picture(embed(picture, 1280), caption, "The things and backgrounds of the world, and scenes of it")
    ]


def _funnel(sources: Sources) -> list[Block]:
    content = sources.json("data/corpus/funnel.json") or {}
    steps, labelled = content.get("steps", []), content.get("labelled")
    if not steps:
        return [missing("No funnel: data/corpus/funnel.json is not there.")]
    svg = figures.draw("funnel", data_charts.funnel, steps)
    caption = (
        f"From {steps[0]['in']:,} URLs to {steps[-1]['out']:,} samples. Dark: kept; light: dropped at this "
        "step, with the commonest reasons."
    )
    if labelled:
        caption += f" Beside them {labelled['out']:,} of {labelled['in']:,} labelled images."
    rows = [
        [Cell(step["name"]), Cell(reason.replace("_", " ")), _count(count), _share(count, step["in"])]
        for step in steps[1:]  # what the first step dropped is in the ledger, row by row
        for reason, count in sorted(step["drops"].items(), key=lambda item: (-item[1], item[0]))
    ]
    table = Table(
        ["step", "reason", "dropped", "share of its input"],
        rows,
        "Drops after the download, by step and reason.",
    )
    return [Figure(svg, caption, f"Data funnel of {len(steps)} steps"), *([table] if rows else [])]


def _ledger(sources: Sources) -> list[Block]:
    ledger = sources.table("data/shards/ledger.parquet")
    if ledger is None:
        return [missing("No ledger: data/shards/ledger.parquet is not there.")]
    names = ["status", "reason", "attempts"]
    counts = ledger.group_by(names).aggregate([([], "count_all")]).to_pylist()
    counts.sort(key=lambda row: (-row["count_all"], *(str(row[name]) for name in names)))
    rows = [
        [
            *(_fact(row[name]) for name in names),
            _count(row["count_all"]),
            _share(row["count_all"], len(ledger), kept=row["status"] == "success"),
        ]
        for row in counts
    ]
    caption = (
        f"The download ledger: what became of each of {len(ledger):,} URLs. Failed rows can be fetched again."
    )
    return [Table([*names, "URLs", "share"], rows, caption)]


def _words(sources: Sources) -> list[Block]:
    table = sources.table("data/corpus/vocabulary.parquet")
    if table is None:
        return [missing("No vocabulary: data/corpus/vocabulary.parquet is not there.")]
    words = table.sort_by([("documents", "descending"), ("word", "ascending")])
    panels = {}
    for part, title in PARTS.items():
        of_part = words.filter(pc.equal(words["part"], part))
        if len(of_part):
            kept = of_part["kept"].to_pylist().count(True)
            frequent = of_part.slice(0, MOST_WORDS).to_pylist()
            panels[f"{title}: {kept:,} kept of {len(of_part):,}"] = list(map(_bar, frequent))
    if not panels:
        return [missing("The vocabulary is empty.")]
    svg = figures.draw("words", data_charts.bars, panels, columns=min(4, len(panels)))
    caption = (
        "The most frequent words, by the number of captions that hold them. Light: dropped, with the reason."
    )
    return [Figure(svg, caption, "Most frequent words by part of speech")]


def _nouns(sources: Sources) -> list[Block]:
    table = sources.table("data/corpus/nouns.parquet")
    if table is None:
        return [missing("No choice of entities: data/corpus/nouns.parquet is not there.")]
    panels = {}
    for title, rows in (
        ("entities", table.filter(table["entity"])),
        ("nouns that are none", table.filter(pc.invert(table["entity"]))),
    ):
        if len(rows):
            panels[f"{title}: {len(rows):,}"] = list(
                map(_noun_bar, rows.slice(0, 2 * MOST_WORDS).to_pylist())
            )
    if not panels:
        return [missing("No caption names anything.")]
    svg = figures.draw("nouns", data_charts.bars, panels, columns=2)
    caption = "The most frequent entities, and the nouns that are none, with the rule that left them out."
    return [Figure(svg, caption, "Most frequent nouns, entities and others")]


def _noun_bar(noun: dict[str, Any]) -> Bar:
    remark = f"{noun['documents']:,} {noun['reason'].replace('_', ' ')}".rstrip()
    return Bar(noun["noun"], noun["documents"], remark, faint=not noun["entity"])


def _bar(word: dict[str, Any]) -> Bar:
    remark = (
        f"{word['documents']:,}"
        if word["kept"]
        else f"{word['documents']:,} {(word['reason'] or '').replace('_', ' ')}"
    )
    return Bar(word["word"], word["documents"], remark, faint=not word["kept"])


def _leaks(sources: Sources) -> Block:
    leaks = sources.json("data/corpus/leaks.json")
    if leaks is None:
        return missing("No leak check: data/corpus/leaks.json is not there.")
    found = {name: pairs for name, pairs in leaks.items() if pairs}
    checked = ", ".join(leaks) or "no benchmark"
    if not found:
        return Remark(
            f"Leak check: no image of {checked} is among the training images, exactly or by perceptual hash."
        )
    rows = [
        [Cell(name), Cell(str(pair["id"])), Cell(str(pair["key"])), Cell(str(pair["distance"]), css="number")]
        for name, pairs in found.items()
        for pair in pairs[:10]
    ]
    total = sum(map(len, found.values()))
    caption = (
        f"Leak check of {checked}: {total:,} benchmark images were found among the training images, by "
        "perceptual hash; those samples are dropped. At most ten per benchmark are shown."
    )
    return Table(["benchmark", "image", "training key", "distance in bits"], rows, caption)


def _fact(value: Any) -> Cell:
    """A status, a reason or a number of attempts."""
    if isinstance(value, int):
        return Cell(str(value), css="number")
    return Cell(str(value or "").replace("_", " "))


def _count(count: int) -> Cell:
    return Cell(f"{count:,}", css="number")


def _share(count: int, whole: int, kept: bool = False) -> Cell:
    share = 100 * count / whole if whole else 0.0
    return Cell(f"{share:.1f} %", css="number", bar=(0.0, share) if kept else (share,))
