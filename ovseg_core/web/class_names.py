"""Class names of PASCAL VOC, PASCAL Context and COCO panoptic, as people say them, synonyms by comma."""

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
