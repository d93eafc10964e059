"""Eq. 2 to 4 of OpenSeg on tensors small enough for a pencil."""

import math

import pytest
import torch
from slopes import check_slope

from ovseg_core.losses.grounding import caption_scores, grounding, word_scores, word_to_image
from ovseg_core.losses.words import WordBatch, drop_words, word_id

ONE = torch.tensor(1.0)


def words_of(captions, said=None, embeddings=None):
    """A WordBatch of captions given as lists of words."""
    flat = lambda rows: torch.tensor([word_id(w) for row in rows for w in row], dtype=torch.int64)  # noqa: E731
    owners = lambda rows: torch.tensor([b for b, row in enumerate(rows) for _ in row], dtype=torch.int64)  # noqa: E731
    said = captions if said is None else said
    count = sum(map(len, captions))
    return WordBatch(
        embeddings=torch.zeros(count, 2) if embeddings is None else embeddings,
        ids=flat(captions),
        owner=owners(captions),
        said_ids=flat(said),
        said_owner=owners(said),
        num_captions=len(captions),
    )


def test_a_word_scores_the_softmax_mean_of_its_cosines():
    regions = torch.tensor([[[2.0, 0.0], [0.0, 3.0]]])  # lengths do not matter
    word = torch.tensor([[5.0, 0.0]])
    # cosines 1 and 0; softmax e / (e + 1); at temperature 1/2: e^2 / (e^2 + 1)
    e = math.e
    assert word_scores(regions, word, 1.0)[0, 0] == pytest.approx(e / (e + 1))
    assert word_scores(regions, word, 0.5)[0, 0] == pytest.approx(e**2 / (e**2 + 1))


def test_a_caption_is_the_mean_of_its_words():
    scores = torch.tensor([[0.2, 0.6, -1.0]])
    captions = torch.tensor([[True, True, False], [False, False, False]])
    assert caption_scores(scores, captions)[0].tolist() == pytest.approx([0.4, 0.0])


def test_grounding_contrasts_in_both_directions():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])  # two images, two captions of one word each
    words = words_of([["fish"], ["house"]])
    rows = [math.log(1 / (1 + math.exp(-2))), math.log(1 / (1 + math.exp(-2)))]  # 2 over 0, 3 over 1
    columns = [math.log(1 / (1 + math.exp(-1))), math.log(1 / (1 + math.exp(-3)))]  # 2 over 1, 3 over 0
    expected = -sum(rows + columns) / 2
    assert grounding(scores, words, ONE, mask_negatives=True) == pytest.approx(expected)
    assert grounding(scores, words, ONE, mask_negatives=False) == pytest.approx(expected)


def test_an_image_that_a_caption_describes_too_is_no_negative():
    scores = torch.tensor([[2.0, 0.0, 1.0], [1.0, 3.0, 1.0]])
    # word dropout left "fish" of both captions; the second image is also said to show a house
    words = words_of([["fish"], ["fish", "house"]], said=[["fish"], ["fish", "house"]])
    # captions score (2, 0.5) on the first image, (1, 2) on the second; "fish" is true of both images, so only
    # (image 0, caption 1) is a negative: log sigma(2 - 0.5) in its row, log sigma(2 - 0.5) in its column
    expected = -(2 * math.log(1 / (1 + math.exp(-1.5)))) / 2
    assert grounding(scores, words, ONE, mask_negatives=True) == pytest.approx(expected)
    assert grounding(scores, words, ONE, mask_negatives=False) > expected


def test_captions_without_words_are_no_rows_and_no_negatives():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0], [9.0, 9.0]])
    two = grounding(scores[:2], words_of([["fish"], ["house"]]), ONE, False)
    assert grounding(scores, words_of([["fish"], ["house"], []]), ONE, False) == pytest.approx(float(two))
    nothing = torch.zeros(2, 0, requires_grad=True)
    assert grounding(nothing, words_of([[], []]), ONE, True) == 0


def test_a_word_looks_for_its_image_among_those_that_lack_it():
    scores = torch.tensor([[2.0], [5.0], [1.0]])
    words = words_of([["fish"], [], []], said=[["fish"], ["fish"], ["house"]])
    # the second image has the fish too, so only the third is a negative
    assert word_to_image(scores, words, ONE) == pytest.approx(math.log(1 + math.exp(-1)))
    assert word_to_image(torch.zeros(2, 0), words_of([[], []]), ONE) == 0


def test_gradient_is_the_slope():
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(2, 3, 4, generator=generator).double().requires_grad_()
    embeddings = torch.randn(3, 4, generator=generator).double().requires_grad_()
    temperature = torch.tensor(0.5).double().requires_grad_()
    words = words_of([["fish", "sky"], ["house"]])

    def loss():
        scores = word_scores(regions, embeddings, temperature)
        return grounding(scores, words, temperature, True) + word_to_image(scores, words, temperature)

    for variable in (regions, embeddings, temperature):
        check_slope(loss, variable)


def test_word_dropout_depends_on_the_seed_alone():
    captions = [["a", "b", "c"], ["d"]] * 500
    torch.manual_seed(1)
    first = drop_words(captions, 0.5, seed=3)
    torch.manual_seed(2)
    assert drop_words(captions, 0.5, seed=3) == first
    assert drop_words(captions, 0.5, seed=4) != first
    assert drop_words(captions, 1.0, seed=3) == captions
    share = sum(map(len, first)) / 2000
    assert 0.45 < share < 0.55
