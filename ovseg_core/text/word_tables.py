"""Clusters and casing of the frequent English words, in a file that is read in no time.

They come from spaCy's tables of Brown clusters and of log-probabilities (package spacy-lookups-data, MIT),
which have a million entries each and take a second to read; a twentieth of them is used.
`python -m ovseg_core.text.word_tables` makes the file again.
"""

from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ovseg_core.text.lemmas import lookups

TABLES = Path(__file__).with_name("word_tables.safetensors")
FREQUENT_WORDS = 100_000  # the tables are ordered by frequency; their tail is names and misspellings
CASING = 4


def write(path: Path | str = TABLES) -> None:
    """Write the tables. The same version of spacy-lookups-data gives the same bytes."""
    found = islice(lookups("lexeme_cluster").items(), FREQUENT_WORDS)
    clusters = {word: cluster for word, cluster in found if word.isalpha() and word.islower()}
    seen = lookups("lexeme_prob")  # log-probabilities; every frequent word has one
    tables: dict[str, np.ndarray] = {
        "words": np.frombuffer("\n".join(clusters).encode(), np.uint8),
        "clusters": np.array(list(clusters.values()), np.int32),
        "casing": np.array([_casing(seen[word], seen.get(word.title())) for word in clusters], np.int8),
    }
    save_file(tables, path)


def _casing(small: float, name: float | None) -> int:
    return CASING if name is None else round(max(-CASING, min(CASING, small - name)))


def read(path: Path | str = TABLES) -> tuple[dict[str, int], dict[str, int]]:
    """By word, in small letters and most frequent first: its Brown cluster, and its casing.

    Casing is how much more often a word is written "lake" than "Lake": powers of e, from -CASING to CASING.
    """
    tables = load_file(path)
    words = tables["words"].tobytes().decode().split("\n")
    clusters, casing = (
        dict(zip(words, tables[name].tolist(), strict=True)) for name in ("clusters", "casing")
    )
    return clusters, casing


if __name__ == "__main__":
    write()
