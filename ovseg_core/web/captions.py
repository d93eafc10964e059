"""Captions of the toy world, written as people write alt texts: some of what is seen, in varied words.

A thing is named with probability 0.92 and at least one always, its colour with 0.35, a background with 0.3 in
a portrait and 0.6 elsewhere. Distractor words ("view", "stock photo") name nothing that is there.
"""

from collections.abc import Sequence

import numpy as np

NAMED, COLOURED = 0.92, 0.35
BACKGROUND_NAMED = {"portrait": 0.3, "multi": 0.6, "landscape": 0.6}
SYNONYM = 0.2  # share of mentions that use the second name
SYNONYMS = {"mug": "cup", "grass": "lawn", "water": "sea", "asphalt": "road"}
PLURALS = {"fish": "fish", "candy": "candies", "cross": "crosses", "butterfly": "butterflies"}
PLACES = {
    "grass": ["on the {}", "in the {}", "on green {}"],
    "water": ["in the {}", "by the {}", "on the {}"],
    "sand": ["on the {}", "in the {}", "lying on {}"],
    "sky": ["in the {}", "against the {}", "under a clear {}"],
    "snow": ["in the {}", "on the {}", "on fresh {}"],
    "wood": ["on {}", "on dark {}", "on a piece of {}"],
    "brick": ["against {}", "in front of {}", "on old {}"],
    "asphalt": ["on the {}", "on wet {}", "on the grey {}"],
}
TEMPLATES = [
    "{}",
    "{}",
    "{}",
    "a photo of {}",
    "photo of {}",
    "stock photo of {}",
    "{} - stock photo",
    "a picture of {}",
    "view of {}",
    "close up of {}",
    "there is {}",
    "{} in the morning",
    "{} on a sunny day",
    "my favourite picture of {}",
    "{} for sale",
    "{}, desktop wallpaper",
    "image of {} | free download",
    "we saw {} yesterday",
    "beautiful view of {}",
    "{} by an unknown artist",
]
JOINERS = [" and ", " and ", " with ", " next to ", " beside ", ", ", " near "]
GROUND_JOINERS = [" and ", " next to ", " beside ", " by the "]


UNTIDY = [
    "",
    " ",
    "IMG_{}.JPG",
    "click to enlarge",
    "photo {}",
    "\U0001f600\U0001f44d",
    "\u0635\u0648\u0631\u0629 {}",  # Arabic: picture
    "&nbsp;&amp;#{};",
    "null",
]


def untidy(rng: np.random.Generator) -> str:
    """A caption that says nothing, as many on the web."""
    return choose(rng, UNTIDY).format(int(rng.integers(1000, 9999)))


def choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of the options, with equal probability."""
    return options[int(rng.integers(len(options)))]


def write(
    rng: np.random.Generator, things: Sequence[tuple[str, str]], grounds: Sequence[str], kind: str
) -> str:
    """The caption of a scene from its visible (colour, thing) pairs and backgrounds."""
    named = [pair for pair in things if rng.random() < NAMED]
    if things and not named:
        named = [things[int(rng.integers(len(things)))]]
    placed = [ground for ground in grounds if rng.random() < BACKGROUND_NAMED[kind]]
    if not named and not placed:
        placed = [choose(rng, grounds)]
    text = choose(rng, TEMPLATES).format(_scene(rng, named, placed))
    return _as_typed(rng, text)


def _scene(rng: np.random.Generator, named: Sequence[tuple[str, str]], placed: Sequence[str]) -> str:
    text = _things(rng, named)
    grounds = [synonym(rng, ground) for ground in placed]
    if not text:
        return choose(rng, GROUND_JOINERS).join(grounds)
    if not placed:
        return text
    text = f"{text} {choose(rng, PLACES[placed[0]]).format(grounds[0])}"
    return text if len(grounds) == 1 else f"{text}{choose(rng, GROUND_JOINERS)}{grounds[1]}"


def _things(rng: np.random.Generator, named: Sequence[tuple[str, str]]) -> str:
    """`a red fish and two stars`: what is named, several of a kind as one plural."""
    counts: dict[str, list[str]] = {}
    for colour, name in named:
        counts.setdefault(name, []).append(colour)
    phrases = [_phrase(rng, name, colours) for name, colours in counts.items()]
    if not phrases:
        return ""
    text = phrases[0]
    for phrase in phrases[1:]:
        text += choose(rng, JOINERS) + phrase
    return text


def _phrase(rng: np.random.Generator, name: str, colours: list[str]) -> str:
    same = len(set(colours)) == 1
    colour = f"{colours[0]} " if same and rng.random() < COLOURED else ""
    noun = synonym(rng, name)
    if len(colours) > 1:
        return f"{choose(rng, ['two ', 'some ', ''])}{colour}{PLURALS.get(noun, noun + 's')}"
    words = f"{colour}{noun}"
    article = "an " if words[0] in "aeiou" else "a "
    return choose(rng, [article, article, "the ", ""]) + words


def synonym(rng: np.random.Generator, name: str) -> str:
    """The name, or now and then its second name."""
    return SYNONYMS[name] if name in SYNONYMS and rng.random() < SYNONYM else name


def _as_typed(rng: np.random.Generator, text: str) -> str:
    style = rng.random()
    if style < 0.35:
        text = text[0].upper() + text[1:]
    return text + "." if rng.random() < 0.15 else text
