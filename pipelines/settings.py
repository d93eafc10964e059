"""Every section of params.yaml with the class that checks it, and what each run comes to."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.settings import METHOD_SETTINGS
from ovseg_core.models.settings import ModelSettings
from ovseg_core.params import ParamError, build, check, merge
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.teachers.settings import named, settings_of
from ovseg_core.text.filters import TAKEN
from ovseg_core.text.settings import CurateSettings, ExtractSettings
from ovseg_core.training.settings import DataSettings, FeatureSettings, TrainSettings
from ovseg_core.web.settings import WebSettings
from pipelines.cluster import ClusterSettings
from pipelines.download_job import DownloadSettings
from pipelines.labeller import LabelSettings
from pipelines.self_label_settings import SelfLabelSettings

SECTIONS: dict[str, type] = {
    "web": WebSettings,
    "download": DownloadSettings,
    "extract": ExtractSettings,
    "curate": CurateSettings,
    "features": FeatureSettings,
    "model": ModelSettings,
    "train": TrainSettings,
    "data": DataSettings,
    "pseudo_label": LabelSettings,
    "self_label": SelfLabelSettings,
    "evaluate": EvalSettings,
    "report": ReportSettings,
    "cluster": ClusterSettings,
}
LISTS = {"runs", "seeds", "benchmarks", "methods", "teachers", "teach", "plus", "self_train"}
RUN_SECTIONS = {"model", "train", "data", "evaluate"}  # what a run may change, besides its method's settings
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
TEACHER = "teacher"  # the name of the run that `teach` trains
TEACHER_MODEL = "models/teacher"  # its model folder


@dataclass(frozen=True)
class Resolved:
    """What one run trains with and how it is read: the contents of its files."""

    train: dict[str, Any]
    evaluate: dict[str, Any]
    label: dict[str, Any] | None = None  # of a run that learns from another one's labels


def resolve(values: Mapping[str, Any]) -> dict[str, Resolved]:
    """Check a whole params file and work out every run of it, the teacher's among them where one is needed.

    Raises:
        ParamError: for the first wrong value, with its full key.
    """
    check_sections(values)
    resolved = {name: resolve_run(values, name, run) for name, run in values["runs"].items()}
    if teaches(values, resolved):
        teacher = {key: value for key, value in values["teach"].items() if key != "seed"}
        resolved[TEACHER] = resolve_run(values, TEACHER, teacher)
    resolved |= {plus_name(of): resolve_plus(values, of, resolved) for of in values["plus"]}
    readings = [reading for run in resolved.values() for reading in run.evaluate["readings"]]
    if twice := sorted({name for name in readings if readings.count(name) > 1}):
        raise ParamError(
            f"runs: {', '.join(twice)} names two readings; every run and reading has its own name"
        )
    return resolved


def check_sections(values: Mapping[str, Any]) -> None:
    """Check everything that does not belong to one run."""
    known = set(SECTIONS) | LISTS
    if missing := sorted(known - values.keys()):
        raise ParamError(f"params.yaml lacks the sections {', '.join(missing)}")
    if unknown := sorted(values.keys() - known):
        raise ParamError(f"params.yaml has {', '.join(unknown)}; it may have {', '.join(sorted(known))}")
    for name, settings in SECTIONS.items():
        build(values[name], name, settings)
    for kind in ("methods", "teachers", "plus"):
        check(isinstance(values[kind], Mapping), kind, values[kind], "a section per name")
    for method, settings in METHOD_SETTINGS.items():
        build(values["methods"].get(method), f"methods.{method}", settings)
    check_lists(values)
    check_teachers(values)


def check_lists(values: Mapping[str, Any]) -> None:
    """The lists that dvc.yaml fans out over."""
    runs, seeds, benchmarks = values["runs"], values["seeds"], values["benchmarks"]
    check(isinstance(runs, Mapping) and bool(runs), "runs", runs, "at least one named run")
    for name in (*runs, *values["teachers"]):
        check(
            bool(NAME.fullmatch(str(name))) and name != TEACHER,
            "runs",
            name,
            f"names like openseg-kp-50, not {TEACHER}",
        )
    whole = isinstance(seeds, list) and all(type(s) is int and s >= 0 for s in seeds)
    check(
        whole and 0 < len(seeds) == len(set(seeds)),
        "seeds",
        seeds,
        "a list of different whole numbers from 0",
    )
    names = isinstance(benchmarks, list) and all(isinstance(b, str) and NAME.fullmatch(b) for b in benchmarks)
    check(names and bool(benchmarks), "benchmarks", benchmarks, "a list of folder names in data/benchmarks")


def check_teachers(values: Mapping[str, Any]) -> None:
    """Every labelling teacher is of a known kind and has that kind's settings."""
    for name, given in values["teachers"].items():
        check(isinstance(given, Mapping), f"teachers.{name}", given, "a section with `kind`")
        with named(name):
            settings_of(given)


def teaches(values: Mapping[str, Any], runs: Mapping[str, Resolved]) -> bool:
    """Whether a labelling teacher reads the model of the stage `teach`, or a run starts from it."""
    labels = any(settings_of(given).reads_model for given in values["teachers"].values())
    return labels or any(run.train["train"]["start"] == TEACHER_MODEL for run in runs.values())


def plus_name(of: str) -> str:
    """The run that learns from the labels of the run `of`."""
    return f"{of}-plus"


def resolve_plus(values: Mapping[str, Any], of: str, resolved: Mapping[str, Resolved]) -> Resolved:
    """A run of `plus`: `self_train` with its own changes, and what labels its images."""
    given, key = values["plus"][of] or {}, f"plus.{of}"
    check(
        of in values["runs"],
        "plus",
        of,
        f"runs that label images: {', '.join(values['runs'])}; one that is not trained here has no labels",
    )
    check(
        plus_name(of) not in values["runs"], f"runs.{plus_name(of)}", "a run", f"another name: {key} has it"
    )
    check(isinstance(given, Mapping), key, given, "a section, {} without changes")
    check(
        isinstance(values["self_train"], Mapping),
        "self_train",
        values["self_train"],
        "a section with `method`",
    )
    change = {name: value for name, value in given.items() if name != "self_label"}
    made = resolve_run(values, plus_name(of), merge(values["self_train"], change), key)
    labels = merge(values["self_label"], given.get("self_label", {}))
    build(labels, f"{key}.self_label", SelfLabelSettings)
    reading = resolved[of].evaluate["readings"][of]
    check(
        reading["use_proposals"] != "ground_truth",
        f"runs.{of}.evaluate.use_proposals",
        "ground_truth",
        "predicted or none: images that a run labels have no truth",
    )
    return Resolved(
        made.train, made.evaluate, {"run": plus_name(of), "of": of, "reading": reading, "label": labels}
    )


def resolve_run(values: Mapping[str, Any], name: str, run: Any, key: str = "") -> Resolved:
    """The sections of params.yaml with one run's changes laid over them, checked again.

    `key`: its place in params.yaml, where that is not among `runs`.
    """
    key = key or (f"runs.{name}" if name != TEACHER else "teach")
    check(isinstance(run, Mapping), key, run, "a section with `method`")
    method = str(run.get("method"))
    check(method in METHOD_SETTINGS, f"{key}.method", method, ", ".join(METHOD_SETTINGS))
    if unknown := sorted(run.keys() - RUN_SECTIONS - {"method", "settings", "readings"}):
        accepted = ", ".join(sorted(RUN_SECTIONS | {"method", "settings", "readings"}))
        raise ParamError(
            f"{key}.{unknown[0]} is {run[unknown[0]]!r}: there is no such key; {key} may have {accepted}"
        )

    def section(part: str, base: Mapping[str, Any], change: Any, into: type) -> dict[str, Any]:
        check(isinstance(change, Mapping), f"{key}.{part}", change, "a section")
        try:
            return asdict(build(merge(base, change), part, into))
        except ParamError as error:
            raise ParamError(f"in {key}: {error}") from error

    train: dict[str, Any] = {
        "run": name,
        "method": method,
        "settings": section(
            f"methods.{method}", values["methods"][method], run.get("settings", {}), METHOD_SETTINGS[method]
        ),
        **{p: section(p, values[p], run.get(p, {}), SECTIONS[p]) for p in ("model", "train", "data")},
    }
    pseudo = train["data"]["pseudo"]
    check(
        pseudo is None or pseudo in values["teachers"],
        f"{key}.data.pseudo",
        pseudo,
        "null or one of `teachers`",
    )
    check_words(values["curate"]["filter"], train["data"]["words"], key)
    check(
        train["settings"].get("regions") != "frozen" or train["train"]["start"] is not None,
        f"{key}.train.start",
        None,
        f"a model folder, such as {TEACHER_MODEL}: methods.openseg.regions is frozen, with its masks",
    )
    own = merge(values["evaluate"], run.get("evaluate", {}))
    further = run.get("readings", {})
    check(isinstance(further, Mapping), f"{key}.readings", further, "a section per reading")
    readings = {name: section("evaluate", own, {}, EvalSettings)}
    readings |= {
        reading: section("evaluate", own, change, EvalSettings) for reading, change in further.items()
    }
    return Resolved(train=train, evaluate={"run": name, "method": method, "readings": readings})


def check_words(kept: str, taken: str | None, key: str) -> None:
    """A run takes no more words than the curation keeps."""
    within = [name for name, parts in TAKEN.items() if set(parts) <= set(TAKEN[kept])]
    check(
        taken is None or taken in within,
        f"{key}.data.words",
        taken,
        f"null, {', '.join(within)}; curate.filter is {kept} and keeps no more",
    )
