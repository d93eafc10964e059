"""Prompt templates by name, and class names with synonyms.

Source of the templates: CLIP's ImageNet notebook (80, and the 7 that its authors chose from them by forward
selection). The small text towers trained here read bare words, so `single` is the name itself.
"""

from collections.abc import Sequence

_CLIP_7 = """
itap of a {}.
a bad photo of the {}.
a origami {}.
a photo of the large {}.
a {} in a video game.
art of the {}.
a photo of the small {}.
"""

_CLIP_80 = """
a bad photo of a {}.
a photo of many {}.
a sculpture of a {}.
a photo of the hard to see {}.
a low resolution photo of the {}.
a rendering of a {}.
graffiti of a {}.
a bad photo of the {}.
a cropped photo of the {}.
a tattoo of a {}.
the embroidered {}.
a photo of a hard to see {}.
a bright photo of a {}.
a photo of a clean {}.
a photo of a dirty {}.
a dark photo of the {}.
a drawing of a {}.
a photo of my {}.
the plastic {}.
a photo of the cool {}.
a close-up photo of a {}.
a black and white photo of the {}.
a painting of the {}.
a painting of a {}.
a pixelated photo of the {}.
a sculpture of the {}.
a bright photo of the {}.
a cropped photo of a {}.
a plastic {}.
a photo of the dirty {}.
a jpeg corrupted photo of a {}.
a blurry photo of the {}.
a photo of the {}.
a good photo of the {}.
a rendering of the {}.
a {} in a video game.
a photo of one {}.
a doodle of a {}.
a close-up photo of the {}.
a photo of a {}.
the origami {}.
the {} in a video game.
a sketch of a {}.
a doodle of the {}.
a origami {}.
a low resolution photo of a {}.
the toy {}.
a rendition of the {}.
a photo of the clean {}.
a photo of a large {}.
a rendition of a {}.
a photo of a nice {}.
a photo of a weird {}.
a blurry photo of a {}.
a cartoon {}.
art of a {}.
a sketch of the {}.
a embroidered {}.
a pixelated photo of a {}.
itap of the {}.
a jpeg corrupted photo of the {}.
a good photo of a {}.
a plushie {}.
a photo of the nice {}.
a photo of the small {}.
a photo of the weird {}.
the cartoon {}.
art of the {}.
a drawing of the {}.
a photo of the large {}.
a black and white photo of a {}.
the plushie {}.
a dark photo of a {}.
itap of a {}.
graffiti of the {}.
a toy {}.
itap of my {}.
a photo of a cool {}.
a photo of a small {}.
a tattoo of the {}.
"""

PROMPTS: dict[str, tuple[str, ...]] = {
    "single": ("{}",),
    "photo": ("a photo of a {}",),
    "ensemble_7": tuple(_CLIP_7.strip().splitlines()),
    "ensemble_80": tuple(_CLIP_80.strip().splitlines()),
}


def expand(name: str, prompts: str) -> list[str]:
    """One name in every template of a set: ("sofa", "photo") -> ["a photo of a sofa"].

    Raises:
        ValueError: for a set that PROMPTS does not have.
    """
    if prompts not in PROMPTS:
        raise ValueError(f"prompts is {prompts!r}; accepted: {', '.join(PROMPTS)}")
    return [template.replace("{}", name) for template in PROMPTS[prompts]]


def expand_classes(names: Sequence[str], prompts: str) -> tuple[list[str], list[int]]:
    """The texts that stand for each class, and the index of the class that each text stands for.

    ["sofa, couch", "chair"] with `single` gives (["sofa", "couch", "chair"], [0, 0, 1]).
    """
    pairs = [
        (text, index)
        for index, synonyms in enumerate(parse_classes(names))
        for name in synonyms
        for text in expand(name, prompts)
    ]
    return [text for text, _ in pairs], [index for _, index in pairs]


def parse_classes(names: str | Sequence[str]) -> list[list[str]]:
    """Classes with their synonyms.

    "sofa, couch; chair" and ["sofa, couch", "chair"] both give [["sofa", "couch"], ["chair"]].

    Raises:
        ValueError: for a class without a name.
    """
    entries = names.strip().rstrip(";").split(";") if isinstance(names, str) else list(names)
    classes = [[name.strip() for name in entry.split(",") if name.strip()] for entry in entries]
    if empty := [i for i, synonyms in enumerate(classes) if not synonyms]:
        raise ValueError(
            f"class {empty[0]} of {names!r} has no name; write synonyms by comma: sofa, couch; chair"
        )
    return classes
