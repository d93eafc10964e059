"""Class names of PASCAL VOC, PASCAL Context and COCO, as people say them, synonyms by comma.

`prompted` adds what OpenSeg's Appendix I gives as examples: plurals and further names, and a context where a
name means several things. The list that its authors scored with is longer than the paper shows.
"""

from collections.abc import Sequence

VOC = [
    "background",
    "aeroplane, airplane, plane",
    "bicycle, bike",
    "bird",
    "boat, ship",
    "bottle",
    "bus",
    "car",
    "cat, kitten",
    "chair",
    "cow, cattle",
    "dining table, table",
    "dog, puppy",
    "horse",
    "motorbike, motorcycle",
    "person, people, man, woman, boy, girl, child",
    "potted plant, plant",
    "sheep, lamb",
    "sofa, couch",
    "train",
    "tv monitor, television, screen",
]

# The classes of PASCAL Context 59 that VOC lacks: pixels predicted as one of them are VOC's background
# (OpenSeg, Sec. 4.1).
CONTEXT_BACKGROUND = [
    *("bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "cloth", "computer", "cup", "door"),
    *("fence", "floor", "flower", "food", "grass", "ground", "keyboard", "light", "mountain", "mouse"),
    *("curtain", "platform", "sign", "plate", "road", "rock", "shelves", "sidewalk", "sky", "snow"),
    *("bedclothes", "track", "tree", "truck", "wall", "water", "window", "wood"),
]

# PASCAL Context's 59 classes in the order of mmsegmentation's masks, which count them from 1.
CONTEXT = [
    *("aeroplane, airplane, plane", "bag", "bed", "bedclothes", "bench", "bicycle, bike", "bird"),
    *("boat, ship", "book", "bottle", "building", "bus", "cabinet", "car", "cat, kitten", "ceiling"),
    *("chair", "cloth", "computer", "cow, cattle", "cup", "curtain", "dog, puppy", "door", "fence", "floor"),
    *("flower", "food", "grass", "ground", "horse", "keyboard", "light", "motorbike, motorcycle", "mountain"),
    *("mouse", "person, people, man, woman, boy, girl, child", "plate", "platform", "potted plant, plant"),
    *("road", "rock", "sheep, lamb", "shelves", "sidewalk", "sign", "sky", "snow", "sofa, couch", "table"),
    *("track", "train", "tree", "truck", "tv monitor, television, screen", "wall", "water", "window", "wood"),
]
CONTEXT_STUFF = {
    *("bedclothes", "building", "cabinet", "ceiling", "cloth", "curtain", "door", "fence", "floor", "food"),
    *("grass", "ground", "light", "mountain", "platform", "road", "rock", "shelves", "sidewalk", "sign"),
    *("sky", "snow", "track", "tree", "wall", "water", "window", "wood"),
}

COCO_SYNONYMS = {
    "person": "person, people, man, woman, boy, girl, child",
    "airplane": "airplane, plane, aeroplane",
    "bicycle": "bicycle, bike",
    "motorcycle": "motorcycle, motorbike",
    "couch": "couch, sofa",
    "tv": "tv, television, screen",
    "cell phone": "cell phone, phone",
    "cat": "cat, kitten",
    "dog": "dog, puppy",
    "potted plant": "potted plant, plant",
    "sea": "sea, ocean",
    "pavement": "pavement, sidewalk",
    "playingfield": "playing field, field",
    "door-stuff": "door",
    "floor-wood": "wooden floor, wood floor",
    "table-merged": "table, desk",
    "house": "house, home",
}
MATERIALS = ("wall-brick", "wall-stone", "wall-tile", "wall-wood")


def coco(name: str) -> str:
    """COCO's name of a panoptic class as words: `sky-other-merged` -> `sky`, `wall-brick` -> `brick wall`."""
    if name in MATERIALS:
        wall, _, material = name.partition("-")
        return f"{material} {wall}"
    plain = name if name in COCO_SYNONYMS else name.removesuffix("-merged")
    plain = plain.removesuffix("-other").removesuffix("-stuff") if plain not in COCO_SYNONYMS else plain
    return COCO_SYNONYMS.get(plain, plain.replace("-", " "))


def coco_stuff(things: Sequence[str], stuff: Sequence[str]) -> list[str]:
    """The 171 classes of COCO-Stuff; no synonym is the name of another class (`plant` is stuff here)."""
    names = [*things, *stuff]
    entries = [COCO_SYNONYMS.get(name, name).split(", ") for name in names]
    return [
        ", ".join([name, *(word for word in entry if word != name and word not in names)])
        for name, entry in zip(names, entries, strict=True)
    ]


# OpenSeg, App. I, as far as it names them.
PLURALS_AND_MORE = {
    "person": "child, girl, boy, woman, man, people, children, girls, boys, women, men",
    "dog": "puppy, dogs, puppies",
    "cat": "kitty, cats, kitties",
    "grass": "grasses, lawn, turf",
    "bottle": "bottles, water bottle, water bottles",
}
IN_CONTEXT = {"fan": "ceiling fan, floor fan", "glass": "drinking glass"}  # in place of the name


def prompted(entries: Sequence[str]) -> list[str]:
    """Entries with the names of App. I; none that is the name of another class."""
    firsts = {entry.split(",")[0].strip() for entry in entries}
    return [_prompted(entry, firsts) for entry in entries]


def _prompted(entry: str, firsts: set[str]) -> str:
    words = [word.strip() for word in entry.split(",")]
    if words[0] in IN_CONTEXT:
        return IN_CONTEXT[words[0]]
    more = PLURALS_AND_MORE.get(words[0], "").split(", ")
    return ", ".join([*words, *(word for word in more if word and word not in {*words, *firsts})])
