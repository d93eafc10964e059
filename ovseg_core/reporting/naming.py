"""What readings and benchmarks are called on the page, in which colour and in which order."""

from collections.abc import Mapping, Sequence

from ovseg_core.reporting import figures
from ovseg_core.reporting.blocks import Cell
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.sweep import Reading

ROLES = {
    "test": "held back: nobody chooses on it",
    "val": "choices are made on it, so it is no result",
}


def role(benchmark: str) -> str:
    """`toy-test` -> `test`: the last word of a benchmark's name says what it is for."""
    return benchmark.rpartition("-")[2]


def in_order(benchmarks: list[str]) -> list[str]:
    """Benchmarks that nobody chooses on, then the others."""
    return sorted(benchmarks, key=lambda name: role(name) == "val")


def provenance(scores: Scores, benchmark: str, seeds: Sequence[int] = ()) -> str:
    """Seeds (all of them unless given) and fingerprints of the data that something was read on."""
    seeds = seeds or scores.seeds(benchmark)
    which = f"{'Seeds' if len(seeds) > 1 else 'Seed'} {', '.join(map(str, seeds))}"
    tested = ", ".join(mark[:12] for mark in scores.benchmark_data.get(benchmark, [])) or "unknown"
    corpora = [mark[:12] for mark in scores.training_data.get(benchmark, [])]
    # runs that read other shares of the data have corpora of their own
    trained = ", ".join(corpora) if len(corpora) < 3 else f"of {len(corpora)} kinds, see section Training"
    data = f"benchmark data {tested}, training data {trained or 'unknown'}"
    return f"{which}; {data}; protocol in the last section."


def name_cell(reading: Reading) -> Cell:
    """First cell of a row."""
    return Cell(reading.label, css="name sub" if reading.number else "name", swatch=reading.colour)


def summary(drops: Mapping[str, int], most: int = 4) -> str:
    """`−10: http 404 7, tiny 3`, the commonest reasons first; nothing where nothing was dropped."""
    ordered = sorted(drops.items(), key=lambda item: (-item[1], item[0]))
    if not ordered:
        return ""
    named = [f"{figures.plain(reason.replace('_', ' '), 28)} {count:,}" for reason, count in ordered[:most]]
    rest = [f"{len(ordered) - most} more reasons"] if len(ordered) > most else []
    return f"−{sum(drops.values()):,}: {', '.join([*named, *rest])}"
