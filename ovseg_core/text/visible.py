"""Which nouns name something that can be seen in an image and pointed at, by stated rules.

The first rule that applies is the reason why a noun is left out. The lists were written from the frequent
nouns of web captions (CC3M, Flickr8k); endings take care of the long tail, with the exceptions that are
things.
"""

from functools import lru_cache

_RULES = {
    # CC3M and CC12M put "person" in the place of every name: it stands for singers and for saints alike.
    "placeholder": "person one someone",
    "about_the_picture": """
        angle art artwork backdrop background cartoon clip clipart close-up closeup collage color colour
        composition copy design detail digital download drawing editorial example exterior file film footage
        foreground format frame gallery genre graphic graphics icon illustration image img interior jpg
        landscape lapse layout medium movie outline panorama pattern perspective photo photograph
        photography pic picture pics png portrait print render rendering resolution result royalty scene
        screenshot selfie series set shape shot silhouette sketch snapshot stock style symbol template text
        texture theme thumbnail vector version video view vintage wallpaper watercolor watercolour 3d
        exposure""",
    "time": """
        afternoon age anniversary autumn birthday break century christmas date dawn day daytime decade dusk
        easter end era evening fall future halloween history holiday hour midnight minute moment month
        morning night nightfall nighttime noon past period present quarter season second spring start stop
        summer sunrise sunset thanksgiving time today tomorrow tonight twilight vacation week weekday
        weekend winter year yesterday""",
    "where_not_what": """
        aerial area back base beginning block bottom capital center centre community condition corner
        countryside country depth direction distance edge environment form front habitat half height home
        indoors inside kind land left length level line location middle mile neighborhood neighbourhood
        opposite outdoors outside part piece place point position property range rear region right row scale
        section setting side site size space spot state surface surroundings top type variety way width
        world zone east west north south""",
    "how_many": """
        amount array assortment batch bit bunch category class collection dozen group handful heap hundred
        load lot majority million mix number pair percent plenty rest round score selection thousand total
        weight""",
    "happening": """
        accident act action activity adventure arrival attack award battle breakfast brunch campaign
        celebration ceremony championship christening competition concert conference contest course crash
        cruise dance debut departure dinner dive drive drop engagement event exercise exhibition expedition
        experience festival fight final finish flight fly game gathering goal graduation hike hop hug jump
        kiss laugh launch leap look lunch match meeting move occasion opening operation party pass
        performance pick play pose practice premiere presentation press procession process program programme
        project protest race rally reception rehearsal ride run sale search service session shopping show
        shower sip sleep smile speech splash stand stroll study stunt surf swim talk touch tour tournament
        training trick trip turn use victory visit walk war wedding win work workout yoga""",
    "sport_or_field": """
        agriculture architecture badminton baseball basketball biology boxing business comedy cooking
        construction cricket drama economy education engineering entertainment fashion fiction finance folk
        football golf gymnastics hockey industry jazz judo karate lacrosse media medicine military music
        nutrition opera poetry politics polo pop reggae religion rugby science soccer softball sport sports
        technology tennis theatre tourism trade traffic travel volleyball wrestling""",
    "light_and_weather": """
        air atmosphere climate heat hue light lighting reflection shadow shine sunlight temperature tone
        warmth weather wind""",
    "abstract": """
        ability accommodation administration advantage advice aspect association attempt attention
        attraction beauty blog brand career case cause chance change character charge charm chart choice
        club comfort company concept confidence control cost cover creation crime culture custom danger
        death decision degree deity department dream effect effort element emotion energy episode estate
        facility fact faith fame fantasy favorite favourite fear feature feeling feel focus force freedom
        fun genu government growth guide health heaven heritage help hit hope idea identity importance
        influence inspiration institution intention interest internet invention issue item job joke joy
        knowledge lack language law league lesson life lifestyle lifetime living love luck luxury magic mark
        material matter member memory method mind ministry mood name nation nature need network news object
        odds online option order organisation organism organization origin passion peace phrase plan
        pleasure policy post power pressure price pride prize problem product profession progress purpose
        quality question quote reality reason recipe record reference relationship release report rescue
        resource response respect risk role romance rule secret sense shade sight skill smell society
        software solution song soul sound source species speed spirit stage-fright standard statement status
        step-by-step story strength stress structure stuff subject success support surprise system talent
        task taste teamwork technique tendency tender term thing thought tip title topic track tradition
        treat trend trouble truth unit value voice wealth website wisdom wish wonder word worth youth
        zodiac""",
}
LEFT_OUT = {noun: rule for rule, nouns in reversed(_RULES.items()) for noun in nouns.split()}
SHORTEST = 3  # letters, but for these
SHORT = frozenset(("tv", "ox", "pc"))

# Ending -> the nouns that have it and are things all the same.
_ENDINGS = {
    "ness": "harness governess lioness",
    "ity": "city",
    "ism": "prism",
    "tion": """station plantation vegetation decoration constellation installation fortification junction
        intersection lotion crustacean""",
    "sion": "mansion",
    "ment": """apartment monument garment equipment instrument ornament pavement basement cement parchment
        tenement
        encampment battlement document settlement undergarment""",
    "ance": "ambulance appliance entrance",
    "ence": "fence residence audience",
    "ship": "ship battleship spaceship warship airship starship flagship",
    "hood": "hood",
    "ology": "",
    "ics": "ceramics",
    "ing": """awning bedding bowling-alley building carving ceiling clothing covering crossing dressing
        duckling
        dumpling dwelling earring edging engraving filling fledgling flooring frosting gosling hatchling
        herring icing king landing lining molding painting paneling pudding railing ring rigging sapling
        scaffolding seedling sibling siding sling starling stocking string stuffing swing topping tubing
        wing wiring yearling""",
}
ENDINGS = {ending: frozenset(nouns.split()) for ending, nouns in _ENDINGS.items()}

# Things with a name of several words, of which the last alone would name something else or too little.
_COMPOUNDS = """
air balloon, alarm clock, amusement park, apartment building, baby carriage, baseball bat, baseball cap,
baseball glove, baseball player, basketball player, bathing suit, beach ball, bow tie, bus stop, business
card, cell phone, chess board, christmas tree, coffee cup, coffee table, cowboy hat, credit card, cricket
player, cruise ship, cutting board, dining room, dining table, dirt bike, dirt road, diving board, drawing
room, drum set, fire engine, fire escape, fire extinguisher, fire hydrant, fire truck, fishing boat, fishing
pole, fishing rod, flower pot, football field, football player, football team, frying pan, golf ball, golf
cart, golf club, golf course, greeting card, guinea pig, hair dryer, high chair, hockey player, hot air
balloon, hot dog, hot tub, ice cream, ice cube, ice rink, ice skate, jet ski, jigsaw puzzle, laptop
computer, lawn chair, lawn mower, life jacket, life vest, light bulb, living room, merry go round, mobile
phone, motor home, mountain bike, office building, palm tree, paper towel, park bench, parking lot, parking
meter, passenger train, peanut butter, piggy bank, pick up truck, pickup truck, picnic table, pine tree,
polar bear, police car, police officer, potted plant, power line, race car, racing car, railway station,
railway track, remote control, rock face, rocking chair, roller coaster, rubber duck, rugby player, sailing
boat, school bus, sea lion, sewing machine, shopping bag, shopping cart, skate park, smart phone, soccer
ball, soccer player, solar panel, sports ball, sports car, sports team, steering wheel, stop sign, street
light, street sign, suspension bridge, swim trunks, swimming pool, tank top, teddy bear, telephone booth,
tennis ball, tennis court, tennis player, tennis racket, toilet paper, toy car, traffic cone, traffic jam,
traffic light, train station, train track, tree branch, tree trunk, vacuum cleaner, vending machine, video
camera, washing machine, water bottle, water fountain, water slide, watering can, wedding cake, wedding
dress, wedding ring, wheel chair, wind turbine, window sill, wine bottle, wine glass
"""
COMPOUNDS = tuple(name.strip() for name in _COMPOUNDS.split(","))


@lru_cache(1 << 16)
def why_left_out(noun: str) -> str:
    """The rule that leaves a noun out of the mined entities, or "" for one that names something visible."""
    if noun in LEFT_OUT:
        return LEFT_OUT[noun]
    if len(noun) < SHORTEST and noun not in SHORT:
        return "too_short"
    if any(noun.endswith(ending) and noun not in things for ending, things in ENDINGS.items()):
        return "abstract_ending"
    return ""
