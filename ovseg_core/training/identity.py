"""What a training is: its job, and the fingerprints that tell whether a state or a model still belongs to it.

No torch here: the stage that starts the workers does without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg_core import files, shards

CORE = Path(__file__).resolve().parent.parent
CODE = ("methods", "models", "losses", "masks", "training")  # packages that decide what a training ends in


@dataclass(frozen=True)
class Job:
    """What one training reads and where it works. Plain values, so that it travels to any worker."""

    run: dict[str, Any]  # train.json: run, method, settings, model, train, data
    seed: int
    data: str  # folder of corpus, shards, labelled, pseudo, features
    folder: str  # working folder that all workers see: state, then the finished model
    corpus: str  # fingerprint of the data

    @property
    def state(self) -> str:
        """The training state to go on from."""
        return files.join(self.folder, "state.safetensors")

    @property
    def model(self) -> str:
        """The finished model folder."""
        return files.join(self.folder, "model")

    @property
    def done(self) -> str:
        """Written last: what the training did, with its speed."""
        return files.join(self.folder, "done.json")

    @property
    def progress(self) -> str:
        """The step that training has reached, and how fast."""
        return files.join(self.folder, "progress.json")

    @property
    def failure(self) -> str:
        """The message of an error that another try would meet again."""
        return files.join(self.folder, "failure.json")


def data_fingerprint(root: str, pseudo: str | None) -> str:
    """Of everything that training reads under `root`.

    The tables of the shards hold a hash of every image, so that no tar has to be read; masks and maps carry
    the fingerprint of what made them.
    """
    tables = [files.join(root, "corpus", name) for name in ("samples.parquet", "vocabulary.parquet")]
    tables += files.listing(files.join(root, "corpus"), "partners.parquet")
    for folder in ("shards", "labelled"):
        tables += files.listing(files.join(root, folder), ".parquet")
    stamped = files.listing(files.join(root, "pseudo", pseudo), ".parquet") if pseudo else []
    maps = files.join(root, "features", "features.json")
    return files.fingerprint(
        {_tail(path, root): files.digest(path) for path in tables},
        {_tail(path, root): shards.stamp_of(path) for path in stamped},
        files.read_json(maps) if files.exists(maps) else None,
    )


def _tail(path: str, root: str) -> str:
    return path.removeprefix(root)


def code_fingerprint(packages: Sequence[str] = CODE) -> str:
    """Of the sources that decide the result: a state of other code is not gone on from."""
    sources = sorted(path for package in packages for path in (CORE / package).glob("*.py"))
    return files.fingerprint({str(path.relative_to(CORE)): files.digest(path) for path in sources})
