"""Word lists: the closed classes of English, colours, and nouns that only have a plural.

Tags are the Penn treebank's where it has one. `BE`, `HV` and `MD` (modals and "do") stand apart from the
verbs, because other words follow them.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLOURS = _words("""
red orange yellow green blue purple pink brown black white grey gray beige tan gold golden silver
teal turquoise maroon navy violet magenta cyan cream crimson scarlet khaki lavender burgundy olive
ivory
""")

# Plurals that name one thing: "pants" is not several of a "pant".
PLURAL_ONLY = _words("""
pants jeans shorts trousers sunglasses glasses eyeglasses goggles scissors tights leggings pajamas
pyjamas overalls binoculars clothes stairs tongs pliers tweezers sweatpants
""")

# Words by tag; a word may stand under several.
_CLOSED = {
    "DT": """a an the this that these those some any no every each another both either neither my your his
        its our their whose all such half which what whatever her""",
    "CD": """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
        hundred thousand million billion""",
    "PRP": """i you he she it we they me him us them her myself yourself himself herself itself ourselves
        yourselves themselves someone somebody something anyone anybody anything everyone everybody
        everything nobody nothing none who whom what this these those which mine yours theirs ours there
        that""",
    "BE": """is are was were be been being am 's 're 'm ’s ’re ’m""",
    "HV": """has have had having 've 's ’ve""",
    "MD": """can could will would shall should may might must do does did wo ca 'll 'd ’ll ’d""",
    "TO": """to na""",
    "IN": """of in on at by for with from into onto over under through across behind between near beside to
        besides along around against during without within among amongst above below beneath toward
        towards upon off out up down past inside outside about after before because if as while since
        until till than whether although though unless atop amid amidst underneath alongside beyond
        despite except per via that throughout opposite whereas aboard like round whilst""",
    "CC": """and or but nor & plus vs versus""",
    "RB": """not n't n’t very too also just only even still never always often here there then now so quite
        rather really together away back again almost already ever perhaps maybe else instead soon once
        twice ahead apart aside everywhere somewhere sideways outdoors indoors outside how when where
        why however thus therefore forward forwards backwards downhill uphill midair overhead nearby
        more most less least much as all well far later long pretty first right about close no yet next
        today yesterday tomorrow tonight""",
    "NNS": """people police cattle""",
    "UH": """oh hello hi yes yeah hey wow please ok okay bye thanks etc""",
    "POS": """'s ' ’s ’""",
}
# What some of them are besides.
_ALSO = {
    "NN": """back past inside outside will might right""",
    "JJ": """back opposite outside inside past nearby overhead few many several more most less much other own
        same last first second third pretty only well far long right close such""",
    "VB": """like have do let need""",
    "VBZ": """has does""",
    "VBN": """had did been""",
    "VBG": """having being""",
}


def _table(*groups: dict[str, str]) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for tag, line in group.items():
            for word in line.split():
                table[word] = (*table.get(word, ()), tag)
    return table


CLOSED = _table(_CLOSED, _ALSO)  # word -> the tags that it may have

# Words of the open classes whose cluster misleads, by what they are most of the time in captions.
_MOSTLY = {
    "NN": """building railing clothing dirt adult concrete uniform bar front cross hat shirt show base guy
        couple rock smoke snow dog flag shower straw wedding""",
    "NNS": """glasses bars shorts""",
    "JJ": """tan open wet dry high low short blonde native outdoor indoor plastic""",
    "VB": """stand walk run jump look play sit swim watch pose smile go set kneel leap wrestle travel pause
        float ride chew interact gather climb""",
    "VBZ": """looks jumps slides races lands faces attempts says talks stands walks runs plays watches poses
        smiles rides swims flies tries returns herds leaps rows bowls swings pulls points blows hangs
        steps holds turns moves pushes reaches kicks throws catches drinks shoots dives falls dances
        drives eats works waits crosses enters lifts leads makes shows sleeps takes uses washes waves
        bites picks hits passes rests rolls""",
    "VBG": """holding floating showing smoking going surfing""",
    "RB": """ago""",
}
MOSTLY = {word: tag for tag, line in _MOSTLY.items() for word in line.split()} | dict.fromkeys(COLOURS, "JJ")
