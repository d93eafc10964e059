"""Rules for the background by name: they move PASCAL VOC by more than most papers' gains."""

from dataclasses import replace

from ovseg_core.benchmarks.benchmark import Background, Benchmark
from ovseg_core.params import ParamError

OWN, NONE, NAMES, THRESHOLD = "benchmark", "none", "names", "threshold"
ACCEPTED = (
    "benchmark (its own rule), none (neither predicted nor counted), names or names=sky,wall (what is "
    "predicted as one of them), threshold=0.9 (where the highest probability is below it)"
)


def is_rule(rule: str) -> bool:
    """Whether there is such a rule."""
    try:
        _parsed(rule)
    except ParamError:
        return False
    return True


def with_background(benchmark: Benchmark, rule: str) -> Benchmark:
    """The benchmark under another rule for its background.

    Raises:
        ParamError: for an unknown rule, a benchmark that has no background, or names of other classes.
    """
    names, threshold = _parsed(rule)
    if rule == OWN:
        return benchmark
    if benchmark.background is None:
        raise ParamError(
            f"background is {rule!r}, but every class of {benchmark.name} is named; take a benchmark with a "
            "background, as voc21, context60 or coco-object81"
        )
    own = benchmark.background
    if rule == NAMES:
        names = tuple(own.names) or (benchmark.title(own.index),)
    others = {name for index in benchmark.foreground for name in benchmark.queries[index]}
    if shared := sorted(others & set(names)):
        raise ParamError(f"background is {rule!r}: {', '.join(shared)} are names of other classes")
    return replace(benchmark, background=Background(own.index, names, threshold))


def describe(benchmark: Benchmark) -> str:
    """The rule in words, to be printed beside a number."""
    rule = benchmark.background
    if rule is None:
        return "a class as any other"
    name = benchmark.title(rule.index)
    if rule.threshold is not None:
        return (
            f"{name} where the highest probability is below {rule.threshold:g} (softmax over the classes of "
            "score / learnt temperature)"
        )
    if not rule.names:
        return f"{name} is neither queried nor counted"
    return f"pixels predicted as one of {len(rule.names)} further names are {name}"


def _parsed(rule: str) -> tuple[tuple[str, ...], float | None]:
    kind, equals, value = rule.partition("=")
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if kind == THRESHOLD and equals:
        return (), _probability(rule, value)
    if (kind == NAMES and bool(names) == bool(equals)) or rule in (OWN, NONE):
        return names, None
    raise ParamError(f"background is {rule!r}; accepted: {ACCEPTED}")


def _probability(rule: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise ParamError(
            f"background is {rule!r}; a threshold lies between 0 and 1: OVSegmentor has 0.9 for VOC"
        )
    return share
