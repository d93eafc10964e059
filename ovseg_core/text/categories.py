"""Category sets of things and stuff that DenseVLM compares regions with: from names, a benchmark, the corpus.

A set is JSON with `name`, `names` ("sofa, couch": synonyms by comma) and `kinds` ("thing" or "stuff"), the
keys that a `benchmark.json` has too. Where a source does not say what a name is, it is stuff when one of its
names ends in a word of STUFF, and a thing otherwise: "brick wall" is stuff, "wall clock" is a thing.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ovseg_core import files, shards
from ovseg_core.text.entity_sets import read_names

Categories = dict[str, Any]
KINDS = ("thing", "stuff")

# The 80 things of COCO, the 91 kinds of stuff of COCO-Stuff, and the 53 of COCO panoptic, as people say them.
_COCO_THINGS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush
"""
_COCO_STUFF = """
banner, blanket, branch, bridge, building, bush, cabinet, cage, cardboard, carpet, ceiling, tile ceiling,
cloth, clothes, clouds, counter, cupboard, curtain, desk, dirt, door, fence, marble floor, floor, stone floor,
tile floor, wood floor, flower, fog, food, fruit, furniture, grass, gravel, ground, hill, house, leaves,
light, mat, metal, mirror, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant, plastic,
platform, playing field, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky,
skyscraper, snow, solid, stairs, stone, straw, structure, table, tent, textile, towel, tree, vegetable, brick
wall, concrete wall, wall, wall panel, stone wall, tile wall, wood wall, water, waterdrops, window blind,
window, wood
"""
_PANOPTIC_STUFF = """
banner, blanket, bridge, cardboard, counter, curtain, door, wood floor, flower, fruit, gravel, house, light,
mirror, net, pillow, platform, playing field, railroad, river, road, roof, sand, sea, shelf, snow, stairs,
tent, towel, brick wall, stone wall, tile wall, wood wall, water, window blind, window, tree, fence, ceiling,
sky, cabinet, table, floor, pavement, mountain, grass, dirt, paper, food, building, rock, wall, rug
"""


def _names(text: str) -> list[str]:
    return [" ".join(name.split()) for name in text.split(",")]


COCO_THINGS, COCO_STUFF, PANOPTIC_STUFF = map(_names, (_COCO_THINGS, _COCO_STUFF, _PANOPTIC_STUFF))
# Those of DenseVLM's Table S6 that are published name by name: 133 (80 things) and 171 (80).
NAMED = {"coco-panoptic-133": (COCO_THINGS, PANOPTIC_STUFF), "coco-stuff-171": (COCO_THINGS, COCO_STUFF)}
# Further words for what fills an image without a shape of its own.
_MORE_STUFF = """
asphalt, bark, bay, beach, brick, canal, cliff, cloud, coast, concrete, countryside, crowd, desert, earth,
fabric, field, fire, foliage, forest, garden, ice, jungle, lake, land, lawn, marble, meadow, mist, ocean,
path, pond, pool, rain, runway, shore, sidewalk, smoke, soil, street, swamp, trail, valley, waterfall,
wave, woods, yard
"""
NO_STUFF = {"wall panel", "window blind"}  # their last words alone are things
STUFF = {name.split()[-1] for name in COCO_STUFF if name not in NO_STUFF} | set(_names(_MORE_STUFF))


def kind_of(entry: str) -> str:
    """Thing or stuff, by the rule above."""
    return "stuff" if any(name.split()[-1] in STUFF for name in synonyms(entry)) else "thing"


def synonyms(entry: str) -> list[str]:
    """The names of an entry: `sofa, couch` -> sofa, couch."""
    return [" ".join(name.lower().split()) for name in entry.split(",") if name.strip()]


def build(source: str, most: int) -> Categories:
    """The set that a source names.

    Args:
        source: a set of NAMED; a `benchmark.json` or a set made before (.json); `nouns.parquet` of the
        corpus, whose
            most frequent entities are taken; or a text file with a name a line. In a text file, names below a
            line `[things]` or `[stuff]` are what it says.
        most: entities that are taken of a corpus.

    Raises:
        ValueError: for a source that is none of these, or names one thing twice.
    """
    if source in NAMED:
        things, stuff = NAMED[source]
        return _checked(source, [*things, *stuff], ["thing"] * len(things) + ["stuff"] * len(stuff))
    if not files.exists(source):
        raise ValueError(f"{source} is neither a file nor one of {', '.join(NAMED)}")
    name = Path(source).stem
    if source.endswith(".json"):
        given = files.read_json(source)
        if not isinstance(given, dict) or not {"names", "kinds"} <= given.keys():
            raise ValueError(f"{source} has to have `names` and `kinds`, as a benchmark.json has")
        return _checked(given.get("name", name), given["names"], given["kinds"])
    if source.endswith(".parquet"):
        table = shards.read_table(source)
        names = table.filter(pc.field("entity"))["noun"].slice(0, most).to_pylist()
        return _checked(name, names, [kind_of(entry) for entry in names])
    return _checked(name, *_sections(read_names(source)))


def _sections(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    names, kinds, kind = [], [], ""
    for line in lines:
        if line.lower() in ("[things]", "[stuff]"):
            kind = line.lower().strip("[]").removesuffix("s")
        else:
            names.append(line)
            kinds.append(kind or kind_of(line))
    return names, kinds


def _checked(name: str, names: Sequence[str], kinds: Sequence[str]) -> Categories:
    if len(names) != len(kinds) or not set(kinds) <= set(KINDS):
        raise ValueError(
            f"{name} has {len(names)} names and {len(kinds)} kinds; each name is a thing or stuff"
        )
    entries = [", ".join(dict.fromkeys(synonyms(entry))) for entry in names]
    said = [word for entry in entries for word in synonyms(entry)]
    if twice := sorted({word for word in said if said.count(word) > 1}):
        raise ValueError(f"{name} has {', '.join(twice[:5])} in two entries; synonyms stand in one, by comma")
    return {"name": name, "names": entries, "kinds": list(kinds)}


def union(sets: Sequence[Categories]) -> Categories:
    """All entries of several sets; an entry of which an earlier set has one of the names is left out.

    So COCO-Stuff and the classes of ADE20K together make a set like the larger ones of DenseVLM's Table S6,
    whose names the paper does not list.
    """
    names: list[str] = []
    kinds: list[str] = []
    known: set[str] = set()
    for categories in sets:
        new = [i for i, entry in enumerate(categories["names"]) if known.isdisjoint(synonyms(entry))]
        names += [categories["names"][i] for i in new]
        kinds += [categories["kinds"][i] for i in new]
        known.update(word for i in new for word in synonyms(categories["names"][i]))
    return _checked("+".join(categories["name"] for categories in sets), names, kinds)


def to_json(categories: Categories) -> str:
    """The content of the file, an entry a line."""
    return json.dumps(categories, indent=1, ensure_ascii=False) + "\n"
