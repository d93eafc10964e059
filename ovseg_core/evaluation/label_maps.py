"""Folders of class maps as PNGs, predictions beside their truth, checked before they are scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ovseg_core.benchmarks.benchmark import VOID, BenchmarkError
from ovseg_core.benchmarks.label_files import classes_as_stored, grey
from ovseg_core.evaluation.score_error import ScoreError, read_json, refuse, repeated


@dataclass(frozen=True)
class Vocabulary:
    """The classes of the maps: names by index, and where it is known which are things and which stuff."""

    names: list[str]  # a name that comes twice with its index
    kinds: list[str] | None = None

    def of_kind(self, kind: str) -> list[int]:
        """Indices of the things or of the stuff."""
        return [index for index, entry in enumerate(self.kinds or []) if entry == kind]


def read_vocabulary(path: Path) -> Vocabulary:
    """A text file with a name a line, or JSON with `names` and `kinds`, as a benchmark.json has.

    Raises:
        ScoreError: when it holds no names, or kinds that do not fit.
    """
    if path.suffix == ".json":
        content = read_json(path)
        names = content.get("names") if isinstance(content, dict) else content
        kinds = content.get("kinds") if isinstance(content, dict) else None
    else:
        if not path.is_file():
            raise ScoreError(f"{path} is missing")
        try:
            names, kinds = path.read_text(encoding="utf-8").split("\n"), None
        except UnicodeDecodeError as error:
            raise ScoreError(f"{path} is no UTF-8 text: {error}") from error
        names = names[:-1] if names[-1] == "" else names
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise ScoreError(f"{path} has to hold names, one a line (or JSON with a list `names`), none empty")
    if kinds is not None and (len(kinds) != len(names) or set(kinds) - {"thing", "stuff"}):
        raise ScoreError(f"{path}: kinds has to say thing or stuff for each of the {len(names)} names")
    twice = set(repeated(name.strip() for name in names))
    titles = [
        f"{name.strip()} ({n})" if name.strip() in twice else name.strip() for n, name in enumerate(names)
    ]
    return Vocabulary(titles, kinds)


def pair(predictions: Path, truth: Path) -> list[str]:
    """The names, without `.png`, that both folders hold.

    Raises:
        ScoreError: when a folder has no PNG, or one has a name that the other lacks.
    """
    listed = {}
    for folder in (predictions, truth):
        if not folder.is_dir():
            raise ScoreError(f"{folder} is no folder of PNGs")
        listed[folder] = sorted(path.stem for path in folder.iterdir() if path.suffix == ".png")
        if not listed[folder]:
            raise ScoreError(f"{folder} holds no .png file; there is nothing to score")
    there, wanted = set(listed[predictions]), set(listed[truth])
    refuse(
        [n for n in listed[predictions] if n not in wanted],
        predictions,
        "images that the truth does not have",
    )
    refuse(
        [n for n in listed[truth] if n not in there], predictions, "images of the truth without a prediction"
    )
    return listed[truth]


def read_pairs(
    predictions: Path, truth: Path, num_classes: int | None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, predicted and true (H, W) uint16 class map, VOID where the truth is not to count.

    Raises:
        ScoreError: naming the file, when it cannot be read, has another size than its truth, or labels
            beyond the classes; a prediction has to have a class wherever the truth has one.
    """
    for name in pair(predictions, truth):
        guess, known = (read_labels(folder / f"{name}.png") for folder in (predictions, truth))
        if guess.shape != known.shape:
            raise ScoreError(
                f"{predictions / name}.png has {guess.shape[1]}x{guess.shape[0]} pixels and its truth "
                f"{known.shape[1]}x{known.shape[0]}"
            )
        counted = known != VOID
        for folder, labels in ((predictions, guess), (truth, known)):
            _check_labels(folder / f"{name}.png", labels[counted], num_classes)
        yield name, guess, known


def read_labels(path: Path) -> np.ndarray:
    """(H, W) uint16 class map of a palette or grey PNG of 8 or 16 bits; 255 of 8 bits becomes VOID."""
    try:
        return classes_as_stored(grey(path.read_bytes(), str(path)))
    except BenchmarkError as error:
        raise ScoreError(str(error)) from error


def _check_labels(path: Path, labels: np.ndarray, num_classes: int | None) -> None:
    if not labels.size:
        return
    if labels.max() == VOID:
        raise ScoreError(
            f"{path} is void (255, in 16 bits 65535) where its truth is not; a prediction names a class"
        )
    if num_classes is not None and labels.max() >= num_classes:
        raise ScoreError(
            f"{path} has label {labels.max()}; there are {num_classes} names, so labels run from 0 to "
            f"{num_classes - 1}"
        )
