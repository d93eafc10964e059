"""Counting pairs of class maps, and what a matrix of such counts says about things and stuff.

Shape letters: H, W size of an image in pixels; C classes of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def known(
    prediction: np.ndarray, truth: np.ndarray, num_classes: int, ignore_label: int
) -> tuple[np.ndarray, np.ndarray]:
    """The (P,) predicted and the (P,) true labels of the pixels that are not void.

    Args:
        prediction: (H, W) integer class map; what it says where the truth is void does not matter.
        truth: (H, W) integer class map of the same size; `ignore_label` is void.

    Raises:
        ValueError: the sizes differ, or a label lies outside the classes.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"the prediction is {prediction.shape} and the truth {truth.shape} pixels")
    keep = truth != ignore_label
    chosen = prediction[keep], truth[keep]
    # One number per pixel pair: a label outside the classes would land in another class's cell.
    for name, labels in zip(("prediction", "truth"), chosen, strict=True):
        if labels.size and (labels.max() >= num_classes or labels.min() < 0):
            raise ValueError(
                f"the {name} has labels from {labels.min()} to {labels.max()}; there are {num_classes} "
                f"classes, counted from 0, and {ignore_label} is void in the truth"
            )
    return chosen


def add_pairs(counts: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> None:
    """Count (P,) predicted and (P,) true labels into the (C, C) matrix [truth, prediction], in place.

    Its time does not depend on C, where `np.bincount` makes and adds a whole matrix for every image.
    """
    pairs = truth.astype(np.int64)
    pairs *= len(counts)
    pairs += prediction
    np.add.at(counts.reshape(-1), pairs, 1)


def blocks(counts: np.ndarray, things: Sequence[int], stuff: Sequence[int]) -> dict[str, float]:
    """How things and stuff are taken for each other, in shares of the true ones, in [0, 1].

    `thing_as_thing`, `thing_as_stuff`, `stuff_as_stuff`, and `foreground_bias`, the share of what is truly
    stuff that is called a thing (DenseVLM, Figures S1-S4 show it as the blocks of the matrix). Right and
    wrong classes of the same kind count alike. NaN where there is nothing of the kind in the truth.

    Args:
        counts: (C, C) [truth, prediction], of pixels (`MeanIoU.counts`) or regions (`RegionTopK.confusion`).
        things, stuff: their class indices; other classes, as a background, are left out.
    """
    kinds = {"thing": list(things), "stuff": list(stuff)}
    named = [*kinds["thing"], *kinds["stuff"]]
    found = {}
    for truth, rows in kinds.items():
        total = counts[np.ix_(rows, named)].sum()
        for guess, columns in kinds.items():
            share = counts[np.ix_(rows, columns)].sum() / total if total else float("nan")
            found[f"{truth}_as_{guess}"] = float(share)
    found["foreground_bias"] = found.pop("stuff_as_thing")
    return found
