"""Class names of ADE20K's 150 classes, Cityscapes and CamVid, in the order of their labels.

ADE20K's names are those of its objectInfo150.txt, without the synonyms that WordNet has and nobody says
("person, individual, someone, somebody, mortal, soul"), and without a name that stands for two classes.
"""

ADE20K = [
    *("wall", "building, edifice", "sky", "floor, flooring", "tree", "ceiling", "road, route", "bed"),
    *("windowpane, window", "grass", "cabinet", "sidewalk, pavement", "person", "earth, ground"),
    *("door, double door", "table", "mountain, mount", "plant, flora", "curtain, drape, drapery", "chair"),
    *("car, auto, automobile", "water", "painting, picture", "sofa, couch, lounge", "shelf", "house", "sea"),
    *("mirror", "rug, carpet, carpeting", "field", "armchair", "seat", "fence, fencing", "desk"),
    *("rock, stone", "wardrobe, closet", "lamp", "bathtub, bath, tub", "railing, rail", "cushion"),
    *("base, pedestal, stand", "box", "column, pillar", "signboard, sign", "chest of drawers, dresser"),
    *("counter", "sand", "sink", "skyscraper", "fireplace", "refrigerator", "grandstand, covered stand"),
    *("path", "stairs, steps", "runway", "display case, showcase, vitrine", "pool table, billiard table"),
    *("pillow", "screen door", "stairway, staircase", "river", "bridge", "bookcase", "blind"),
    *("coffee table", "toilet", "flower", "book", "hill", "bench", "countertop", "stove, kitchen stove"),
    *("palm, palm tree", "kitchen island", "computer", "swivel chair", "boat", "bar", "arcade machine"),
    *("hovel, hut, shack", "bus, autobus, coach", "towel", "light, light source", "truck", "tower"),
    *("chandelier, pendant", "awning, sunshade", "streetlight, street lamp", "booth, stall, kiosk"),
    *("television, tv, tv set", "airplane, aeroplane, plane", "dirt track", "apparel, clothes, dress"),
    *("pole", "land, soil", "bannister, banister, balustrade, handrail", "escalator, moving staircase"),
    *("ottoman, pouf, hassock", "bottle", "buffet, sideboard", "poster, placard", "stage", "van", "ship"),
    *("fountain", "conveyer belt, conveyor belt", "canopy", "washer, washing machine", "plaything, toy"),
    *("swimming pool", "stool", "barrel, cask", "basket", "waterfall, falls", "tent", "bag"),
    *("minibike, motorbike", "cradle", "oven", "ball", "food", "step, stair", "tank, storage tank"),
    *(
        "trade name, brand name, brand",
        "microwave, microwave oven",
        "pot, flowerpot",
        "animal",
        "bicycle, bike",
    ),
    *("lake", "dishwasher", "screen, projection screen", "blanket, cover", "sculpture", "hood, exhaust hood"),
    *("sconce", "vase", "traffic light, traffic signal, stoplight", "tray"),
    *("trash can, garbage can, wastebin, dustbin, trash bin", "fan", "pier, wharf, dock", "crt screen"),
    *("plate", "monitor", "bulletin board, notice board", "shower", "radiator", "glass", "clock", "flag"),
]
ADE20K_STUFF = {  # column Stuff of its objectInfo150.csv
    *("wall", "building", "sky", "floor", "ceiling", "road", "grass", "sidewalk", "earth", "mountain"),
    *("water", "house", "sea", "rug", "field", "sand", "skyscraper", "path", "runway", "stairway", "river"),
    *("bridge", "hill", "dirt track", "land", "stage", "hovel", "tower", "escalator", "waterfall"),
    *("conveyer belt", "swimming pool", "pier", "lake", "grandstand"),
}
CITYSCAPES = [
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle"),
    "bicycle",
]
CITYSCAPES_LABELS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]  # labelIds
CITYSCAPES_THINGS = {"person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"}
CAMVID = [
    *("sky", "building", "pole", "road", "sidewalk, pavement", "tree", "sign", "fence", "car", "pedestrian"),
    "bicyclist",
]
CAMVID_THINGS = {"car", "pedestrian", "bicyclist"}
