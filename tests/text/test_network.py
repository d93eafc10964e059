"""The window network against its formula, written out as loops over Python floats."""

import numpy as np
import pytest

from ovseg_core.text import network
from ovseg_core.text.features import NAMES, Index, describe, spelling, tables
from ovseg_core.text.lexicon import Lexicon
from ovseg_core.text.network import HIDDEN_BITS, LARGEST, MOST_SUM, UPOS, WINDOW, Network, save

WORDS = ["a", "red", "fish", "swims", "under", "two", "wooden", "boats", "on", "lakes", "quietly", "!"]
WIDTH, HIDDEN = 3, 4


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon()


@pytest.fixture
def made(tmp_path, lexicon):
    """A network with random weights, read back from its file."""
    values = tables(dict.fromkeys(WORDS, 3), lexicon)
    rng = np.random.default_rng(0)
    shapes = {
        "embedding": (Index(values).size, WIDTH),
        "embedding_bias": (WIDTH,),
        "window": (2 * WINDOW + 1, WIDTH, HIDDEN),
        "hidden_bias": (HIDDEN,),
        "out": (HIDDEN, len(UPOS)),
        "out_bias": (len(UPOS),),
    }
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights["out_bias"] /= 10  # so that the words decide
    weights["out"] = np.asfortranarray(weights["out"])  # as a transposed layer comes
    save(tmp_path / "weights.safetensors", values, weights)
    return Network.read(tmp_path / "weights.safetensors"), weights


def test_tags_are_those_of_the_formula(made, lexicon):
    net, _ = made
    rows = [net.index.of(describe(word, lexicon)) for word in WORDS]
    numbers = list(net.learn(rows))
    whole = {name: getattr(net, name).astype(object) for name in ("embedding", "embedding_bias")}
    words = []
    for row in rows:
        summed = sum(whole["embedding"][i] for i in row) + whole["embedding_bias"]
        words.append([min(max(v, 0), LARGEST) >> 2 for v in summed])
    expected = []
    for t in range(len(words)):
        hidden = [int(v) for v in net.hidden_bias]
        for k in range(-WINDOW, WINDOW + 1):
            if 0 <= t + k < len(words):
                for h in range(HIDDEN):
                    # weights without their last two bits, as the words; both to the nearest
                    column = [(int(w) + 2) >> 2 for w in net.window[k + WINDOW, :, h]]
                    dot = sum(x * w for x, w in zip(words[t + k], column, strict=True))
                    hidden[h] += (dot + (1 << net.shift - 5)) >> net.shift - 4
        cut = [min(max(h, 0), LARGEST) for h in hidden]
        scores = [
            sum(cut[h] * int(net.out[h, tag]) for h in range(HIDDEN)) + int(net.out_bias[tag])
            for tag in range(len(UPOS))
        ]
        expected.append(int(np.argmax(scores)))
    assert len(set(expected)) > 2
    assert net.tag(np.array(numbers), [12]).tolist() == expected
    assert net.tag(np.array(numbers * 2), [12, 12]).tolist() == expected * 2  # texts do not see each other
    assert net.tag(np.array([], int), []).tolist() == []


def test_whole_numbers_stand_for_the_weights(made):
    net, weights = made
    bits = net.shift + HIDDEN_BITS  # of embedding and window together
    for embedding_bits in range(bits + 1):
        scaled = weights["window"] * 2.0 ** (bits - embedding_bits)
        if np.abs(net.window - scaled).max() <= 0.5:
            assert np.abs(net.embedding - weights["embedding"] * 2.0**embedding_bits).max() <= 0.5
            break
    else:
        raise AssertionError("no number of bits fits")


def test_the_same_weights_have_the_same_bytes(made, tmp_path):
    net, weights = made
    for name in ("one", "two"):
        save(tmp_path / name, net.values, weights)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_sums_stay_exact_with_the_weights_of_the_package():
    net = Network.read()
    width, hidden = net.window.shape[1:]
    assert width * (LARGEST >> 2) * np.abs(net.all_places).max() < 2**24
    assert MOST_SUM * len(net.window) + np.abs(net.hidden_bias).max() < 2**15
    assert hidden * LARGEST * np.abs(net.out).max() + np.abs(net.out_bias).max() < 2**24
    assert network.WEIGHTS.stat().st_size < 5_000_000


def test_a_word_is_described_by_form_endings_cluster_and_lists(lexicon):
    found = dict(zip(NAMES, describe("Leaps", lexicon), strict=True))
    assert (found["word"], found["ending3"], found["start2"], found["spelling"]) == (
        "leaps",
        "aps",
        "le",
        "title3",
    )
    assert int(found["listed"]) == (1 << 1) + (1 << 3)  # NNS and VBZ of OPEN_TAGS
    assert found["cluster4"] == str(lexicon.clusters["leaps"] % 16)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("dog", "lower3"), ("Dog", "title3"), ("TV", "upper2"), ("iPad", "mixed3"), ("42", "digits2"),
        ("4th", "coded3"), ("!", "signs1"), ("n't", "clitic3"), ("x-ray", "joined3"), ("X-ray", "Joined3"),
    ],
)  # fmt: skip
def test_spelling(word, kind):
    assert spelling(word) == kind


def test_values_that_are_rare_share_one_row(lexicon):
    values = tables({"fish": 3, "star": 2}, lexicon)
    assert values["word"] == ["fish"]
    index = Index(values)
    fish, star = (index.of(describe(word, lexicon)) for word in ("fish", "star"))
    unknown = index.of(describe("zorbler", lexicon))
    assert star[0] == unknown[0] != fish[0]
    assert len({*fish, *star}) <= index.size
