"""What the tagger sees of a word by itself: form, endings, spelling, cluster, what the lists allow, casing.

After Botha et al., "Natural Language Processing with Small Feed-Forward Networks" (EMNLP 2017): with such
features a small network over a window of words needs no recurrence and no large embeddings.
"""

from collections import Counter
from collections.abc import Mapping

from ovseg_core.text.lexicon import OPEN_TAGS, Lexicon

# Bits of a Brown cluster that form coarser groups: the path from the root comes first, in the low bits.
CLUSTER_BITS = {"cluster10": 10, "cluster6": 6, "cluster4": 4}
NAMES = (
    *("word", "ending1", "ending2", "ending3", "ending4", "start1", "start2", "start3"),
    *("spelling", "cluster", *CLUSTER_BITS, "listed", "casing"),
)
# Of how many words a value has to be for an entry of its own; of rarer ones the tagger knows nothing.
AT_LEAST = {"word": 3, "ending3": 2, "ending4": 2, "start3": 2, "cluster": 2}
BIT = {tag: 1 << place for place, tag in enumerate(OPEN_TAGS)}


def describe(word: str, lexicon: Lexicon) -> tuple[str, ...]:
    """The value of every feature of NAMES for a word as it is written."""
    lower = word.lower().replace("’", "'")
    cluster = lexicon.clusters.get(lower, 0)
    listed = sum(BIT[tag] for tag in lexicon.listed(lower)) if lower.isalpha() else 0
    return (
        lower,
        *(lower[-length:] for length in (1, 2, 3, 4)),
        *(lower[:length] for length in (1, 2, 3)),
        spelling(word),
        str(cluster),
        *(str(cluster & ((1 << bits) - 1)) for bits in CLUSTER_BITS.values()),
        str(listed),
        str(lexicon.casing.get(lower, "")),
    )


def spelling(word: str) -> str:
    """Capitals, digits and signs of a word, and whether it has one, two or more characters."""
    if word.isalpha():
        kind = "lower" if word.islower() else "upper" if word.isupper() else "mixed"
        kind = "title" if len(word) > 1 and word[0].isupper() and word[1:].islower() else kind
        return f"{kind}{min(len(word), 3)}"
    letters, digits = any(c.isalpha() for c in word), any(c.isdigit() for c in word)
    if digits or not letters:
        kind = ("digits", "coded")[letters] if digits else "signs"
    elif "-" in word:
        kind = "joined" if word.islower() else "Joined"
    else:
        kind = "clitic" if "'" in word or "’" in word else "other"
    return f"{kind}{min(len(word), 3)}"


def tables(words: Mapping[str, int], lexicon: Lexicon) -> dict[str, list[str]]:
    """The values of each feature that get an entry, sorted, from words and how often each occurs.

    The feature `word` counts occurrences, the others count distinct words.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    for word, number in words.items():
        for name, value in zip(NAMES, describe(word, lexicon), strict=True):
            counts[name][value] += number if name == "word" else 1
    return {
        name: sorted(value for value, number in counts[name].items() if number >= AT_LEAST.get(name, 1))
        for name in NAMES
    }


class Index:
    """Rows of the embedding table: each feature has a block of it, whose first row stands for the unknown."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self.rows: list[dict[str, int]] = []
        self.unknown: list[int] = []
        self.size = 0
        for name in NAMES:
            self.unknown.append(self.size)
            self.rows.append({value: self.size + 1 + place for place, value in enumerate(values[name])})
            self.size += 1 + len(values[name])

    def of(self, described: tuple[str, ...]) -> list[int]:
        """One row per feature."""
        return [
            rows.get(value, unknown)
            for rows, value, unknown in zip(self.rows, described, self.unknown, strict=True)
        ]
