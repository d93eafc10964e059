"""Which part of speech follows which, and the likeliest parts of a whole text.

The parts of a text are the path with the lowest cost of its steps less the scores of its words (`lexicon`),
found by the Viterbi algorithm. The costs are set by hand; nothing is trained.
"""

# Cost of a step from the tag of a row to the tag of a column: 0 happens all the time, 1 about 1/e as often.
# "ST" is the start of a text. VBN stands for past tense and participle, which are mostly spelt alike.
_COSTS = """
      NN NNS NNP  JJ  RB  VB VBZ VBG VBN  BE  HV  MD  DT  CD PRP  TO POS  IN  CC  UH  PU
ST   1.5   1   1   1   1   2   4   2   3   3   4   3   0   1   0   2   5   1   1   1   1
NN   1.5 2.5   3   4   2   4 1.2 1.5   1 0.5   1   1 2.5   3   2   1   1   0 0.5   5   0
NNS  3.5 3.5   3 2.5   2   1   4 1.2   1 0.7   1   1 2.5   3   2   1   2   0 0.5   5   0
NNP  1.5   2   0   3   2   4 1.2   2   1   1   1   1   3 1.5   2 1.5   1 0.7 0.7   5   0
JJ     0   0   2   1   3   5   5   2   3   3   5   4 3.5   3   3 1.5   5 1.5   1   5 1.2
RB     3   3 3.5 0.7   1   1 1.5 1.2 0.7 1.5   2 1.5 1.5   2   1 1.5   5 0.7 1.5   5 0.5
VB     2 1.7   2 1.5   1   3   6   2   2   3   4   4   0   2 0.5 0.7   5 0.3   2   5 0.7
VBZ    2   2   2 1.5   1   4   6 1.5   2   4   5   5   0   2 0.7 0.7   5   0   2   5   1
VBG  1.5 1.2   2 1.5   1   5   6 2.5 2.5   3   5   4   0   2 0.5 0.7   5   0 1.5   5 0.5
VBN    2 1.7   2 1.7   1   4   6   2   2   4   5   4 0.5   2 0.7 0.7   5   0 1.5   5 0.7
BE     2 2.5 2.5 0.5 0.5   5   6   0   0 1.5   5   5   0   2   1 1.5   5 0.5   3   5   1
HV     4   4   3 1.5 0.7   5   6   3   0 0.5   2   5   2   3   1 0.7   5   2   3   5   2
MD     4   4   4   4 0.5   0   7   5   4   0   1   4   2   4 0.5   3   5   3   3   5 1.5
DT     0   0   1   0   2   7   7 2.5   2   3   4   4   2   1   2   4   5   2   4   5   3
CD     0   0   2 0.5   3   3   4   2   3   2   3   3   3   1   3 1.5   5 0.7   1   5 0.5
PRP    4   4   4 2.5 0.7 0.3   0   1   0   0   0   0   2   3 1.5   1   5 0.7   1   5   0
TO   3.5   4   4   4   2   0   7   4   5   0   0   3   4   5   4   5   5   4   4   5   3
POS    0   0   1   0   3   6   6   2   2   6   6   6   5   1   5   5   5   3   3   5   2
IN   0.5 0.3 0.5 0.5   2   5   5   1   3   4   5   5   0   1   0   3   5   1   2   5   1
CC   0.7 0.7   1 0.7   1 1.5 1.5 1.2 1.2   2   2   2   0 1.5   0   2   5   1   3   5   2
UH     2   2   1   2   1 1.5   3   3   3   3   3   3   1   2 0.5   3   5 1.5   2   0   0
PU     1   1   1   1   1   2 2.5 1.5   2   2 2.5 2.5   0   1   0   2   5 0.7 0.7   1   0
"""


def _table() -> dict[str, dict[str, float]]:
    heads, *rows = (line.split() for line in _COSTS.strip().splitlines())
    return {row[0]: dict(zip(heads, map(float, row[1:]), strict=True)) for row in rows}


COSTS = _table()


def best_path(words: list[tuple[tuple[str, float], ...]]) -> list[str]:
    """The tags of a text, from the (tag, score) pairs of each of its words; scores are log-probabilities."""
    costs = {"ST": 0.0}  # of the best path to each tag of the word before
    back: list[dict[str, str]] = []
    for options in words:
        reached, origin = {}, {}
        for tag, score in options:
            before = min(costs, key=lambda last: costs[last] + COSTS[last][tag])
            reached[tag] = costs[before] + COSTS[before][tag] - score
            origin[tag] = before
        costs = reached
        back.append(origin)
    tag = min(costs, key=costs.__getitem__)
    path = []
    for origin in reversed(back):
        path.append(tag)
        tag = origin[tag]
    return path[::-1]
