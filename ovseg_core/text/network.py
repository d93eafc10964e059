"""The trained part of the tagger: a feed-forward network over a window of words, run with NumPy.

    x(w)  = relu(sum of the embeddings of the word's features + bias)          (D,)
    h_t   = relu(sum_k x(w_{t+k}) P_k + bias),  k = -WINDOW .. WINDOW          (H,)
    tag_t = argmax(h_t O + bias) over UPOS

x and x P_k depend on the word alone, so they are worked out once per distinct word; tagging a text is then a
sum of rows and one small product (the precomputation of Chen and Manning, EMNLP 2014).

All numbers are whole and small enough for their sums to be exact, so a tag depends neither on the other
texts of a batch nor on the order in which a machine adds up: x has 8 bits and P 10, h has 10 and O 8, so x P
and h O stay below 2^24, which float32 holds; of x P 16 bits are kept.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ovseg_core.text.features import NAMES, Index

UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT"),
    *("SCONJ", "SYM", "VERB", "X"),
)
WINDOW = 3  # words to either side
WEIGHTS = Path(__file__).with_name("tagger.safetensors")
AT_ONCE = 1024  # words whose hidden units are in memory together
MOST_WORDS = 1 << 15  # distinct words that are remembered; at 128 hidden units each takes 1.8 KB
LARGEST = 1023  # of x, before it loses two bits, and of h
MOST_SUM = 4000  # of x P, cut to HIDDEN_BITS: a window of them and the bias stay within 16 bits
LIMITS = {"embedding": 127, "window": 2047, "out": 127}  # of the weights
OUTLIERS = 1e-4  # share of the embeddings that may lie beyond their limit and are cut to it
HIDDEN_BITS = 6  # of a hidden unit after the point

Tensors = dict[str, np.ndarray]


class Network:
    """The weights, as `save` writes them.

    Tensors, all whole numbers: `embedding` (R, D), `embedding_bias` (D,), `window` (2 WINDOW + 1, D, H),
    `hidden_bias` (H,), `out` (H, T), `out_bias` (T,), `shift`, the bits that a hidden unit is cut by, and
    `values`, the UTF-8 JSON of the entries of each feature.
    """

    def __init__(self, tensors: Tensors) -> None:
        self.values: dict[str, list[str]] = json.loads(tensors["values"].tobytes())
        self.shift = int(tensors["shift"][0])
        self.hidden_bias = np.floor(tensors["hidden_bias"] * 2.0**-self.shift + 0.5).astype(np.int16)
        self.out_bias = tensors["out_bias"]
        self.embedding, self.embedding_bias = tensors["embedding"], tensors["embedding_bias"]
        self.window, self.out = tensors["window"], tensors["out"].astype(np.float32)
        # (D, places * H): float32 holds sums of 9-bit weights times 8-bit words.
        flat = self.window.transpose(1, 0, 2).reshape(self.window.shape[1], -1)
        self.all_places = np.floor(flat / 4 + 0.5).astype(np.float32)
        self.clear()

    @classmethod
    def read(cls, path: Path | str = WEIGHTS) -> "Network":
        """The weights that come with the package, or those of another file."""
        return cls(load_file(path))

    @cached_property
    def index(self) -> Index:
        return Index({name: self.values[name] for name in NAMES})

    def clear(self) -> None:
        """Forget all words; number 0 is what stands before and after a text."""
        places, _, width = self.window.shape
        self.number = 1
        self.sums = np.zeros((places, 1024, width), np.int16)

    @property
    def is_full(self) -> bool:
        """Whether it is time to `clear`."""
        return self.number > MOST_WORDS

    def learn(self, features: Sequence[list[int]]) -> range:
        """Remember new words by their rows of the embedding table; returns the numbers they go by."""
        first, self.number = self.number, self.number + len(features)
        while self.number > self.sums.shape[1]:
            self.sums = np.concatenate([self.sums, np.zeros_like(self.sums)], axis=1)
        rows = np.array(features, np.int64).reshape(len(features), len(NAMES))
        words = self.embedding[rows].sum(1, dtype=np.int32) + self.embedding_bias
        words = (words.clip(0, LARGEST) >> 2).astype(np.float32)
        places, _, width = self.window.shape
        sums = words @ self.all_places
        sums *= 2.0 ** (4 - self.shift)
        sums += 0.5
        np.floor(sums, out=sums).clip(-MOST_SUM, MOST_SUM, out=sums)
        self.sums[:, first : self.number] = sums.reshape(-1, places, width).swapaxes(0, 1)
        return range(first, self.number)

    def tag(self, numbers: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        """(N,) indices into UPOS of N words, given by their numbers, of texts that follow each other."""
        gaps = np.repeat(np.arange(1, len(lengths) + 1), lengths) * WINDOW  # zeros stand around each text
        centres = np.arange(len(numbers)) + gaps
        padded = np.zeros(len(numbers) + WINDOW * (len(lengths) + 1), np.int64)
        padded[centres] = numbers
        parts = [self._tag(padded, centres[i : i + AT_ONCE]) for i in range(0, len(centres), AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _tag(self, numbers: np.ndarray, centres: np.ndarray) -> np.ndarray:
        hidden = np.repeat(self.hidden_bias[None], len(centres), axis=0)
        for place, sums in enumerate(self.sums):
            hidden += sums[numbers[centres + (place - WINDOW)]]
        scores = hidden.clip(0, LARGEST).astype(np.float32) @ self.out
        return (scores + self.out_bias).argmax(1)


def save(path: Path | str, values: dict[str, list[str]], weights: Tensors) -> None:
    """Write float weights as whole numbers, with the entries of the features; same content, same bytes."""
    bits = {name: _bits(weights[name], limit) for name, limit in LIMITS.items()}
    hidden = bits["embedding"] + bits["window"]
    after = {
        "embedding_bias": bits["embedding"],
        "hidden_bias": hidden,
        "out_bias": HIDDEN_BITS + bits["out"],
    }
    whole = {name: _whole(weights[name], bits, LIMITS.get(name)) for name, bits in {**bits, **after}.items()}
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    shift = np.array([hidden - HIDDEN_BITS], np.int32)
    save_file({**whole, "shift": shift, "values": np.frombuffer(text, np.uint8)}, path)


def _bits(weight: np.ndarray, limit: int) -> int:
    """Bits after the point with which all weights but the outliers stay within the limit."""
    return int(np.floor(np.log2(limit / np.quantile(np.abs(weight), 1 - OUTLIERS))))


def _whole(weight: np.ndarray, bits: int, limit: int | None) -> np.ndarray:
    rounded = np.round(weight.astype(np.float64) * 2.0**bits)
    if limit is None:
        return rounded.astype(np.int32)
    # In C order: safetensors writes the memory as it lies.
    return np.ascontiguousarray(rounded.clip(-limit, limit).astype(np.int8 if limit < 128 else np.int16))
