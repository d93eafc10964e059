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
    tested, trained = (
        ", ".join(mark[:12] for mark in prints.get(benchmark, [])) or "unknown"
        for prints in (scores.benchmark_data, scores.training_data)
    )
    return f"{which}; benchmark data {tested}, training data {trained}; protocol in the last section."


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
