"""Word lists: colours, and nouns that only have a plural."""


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
