"""Captions to the further texts of a batch: masked, and their entities or nouns in prompts.

Every choice is drawn from the seed of the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ovseg_core.text import masking
from ovseg_core.text.prompts import PROMPTS


@dataclass(frozen=True)
class Completion:
    """Masked captions and what completes them; texts of captions that name nothing are as they stand."""

    masked: list[str]
    prompts: list[str]
    answers: list[list[str]]  # the masked names, one for each mask in order; none where nothing is named


def said(captions: Sequence[str], names: Sequence[Sequence[str]], verbs: bool = False) -> list[list[str]]:
    """Of each sample's names, those that the caption in the batch says: it may be one line of several."""
    return [masking.named(caption, some, verbs) for caption, some in zip(captions, names, strict=True)]


def completion(
    captions: Sequence[str],
    names: Sequence[Sequence[str]],
    mask: str,
    prompts: str,
    seed: int,
    one: bool = False,
) -> Completion:
    """g(T) and h(E) of Sec. 3.1.2: all names of a caption masked, and in one prompt.

    Args:
        names: per caption the entities (or nouns) that may be masked.
        mask: what stands in their place.
        prompts: the set of templates; one is drawn per caption.
        one: mask a single name, drawn per caption (Table 4).
    """
    random = np.random.default_rng(seed)
    found = said(captions, names)
    if one:
        found = [[some[random.integers(len(some))]] if some else [] for some in found]
    templates = PROMPTS[prompts]
    return Completion(
        masked=[
            masking.masked(text, all_names, mask, only)
            for text, all_names, only in zip(captions, names, found, strict=True)
        ],
        prompts=[
            in_prompt(some, templates[random.integers(len(templates))]) or text
            for text, some in zip(captions, found, strict=True)
        ],
        answers=[
            [place.name for place in masking.find(text, tuple(all_names)) if place.name in some]
            for text, all_names, some in zip(captions, names, found, strict=True)
        ],
    )


def in_prompt(names: Sequence[str], template: str) -> str:
    """ "a painting of a {}." and [cat, dog] -> "a painting of a cat and dog."; "" without names."""
    return template.replace("{}", " and ".join(names)) if names else ""


def prompted_names(
    captions: Sequence[str],
    names: Sequence[Sequence[str]],
    count: int,
    prompts: str,
    seed: int,
    verbs: bool = False,
) -> tuple[list[list[str]], list[list[str]]]:
    """Up to `count` names of each caption, drawn, and each in a template of its own (GroupViT, Sec. 3.2).

    `verbs`: there are verbs among the names.
    """
    random = np.random.default_rng(seed)
    templates = PROMPTS[prompts]
    drawn = [
        [some[index] for index in random.permutation(len(some))[:count]]
        for some in said(captions, names, verbs)
    ]
    texts = [
        [in_prompt([name], templates[random.integers(len(templates))]) for name in some] for some in drawn
    ]
    return drawn, texts
