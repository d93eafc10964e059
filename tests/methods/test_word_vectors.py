"""Words in closed form, against least squares and by hand."""

import math

import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from ovseg_core.methods.word_vectors import PRIOR, TEMPERATURE, Said, located, vectors_anywhere, word_vectors
from ovseg_core.models.components import principal_components


def means(rows: int, seed: int = 0) -> torch.Tensor:
    """White in all but the last component, which is constant, as the stage `features` leaves them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 6, generator=generator, dtype=torch.double)
    x -= x.mean(0)
    values, vectors = torch.linalg.eigh(x.T @ x / rows)
    white = x @ vectors * values.rsqrt() + torch.arange(6)
    return torch.cat([white, torch.full((rows, 1), 2.0, dtype=torch.double)], 1).float()


def test_directions_are_those_of_least_squares():
    x = means(200)
    has = torch.rand(200, generator=torch.Generator().manual_seed(1)) < torch.sigmoid(2 * x[:, 0])
    said = pa.array([["tree", "dog"] if dog else ["tree"] for dog in has.tolist()])
    words, vectors = word_vectors(x, said)
    assert words == ["dog", "tree"]
    solution = torch.linalg.lstsq(x, has.float()[:, None]).solution[:6, 0]
    assert F.cosine_similarity(vectors[0, :6], solution, dim=0) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_the_constant_takes_the_mean_off_and_adds_the_prior():
    x = means(64)
    has = [["a"] if row % 4 == 0 else ["b", "c"] if row % 4 == 1 else ["c"] for row in range(64)]
    words, vectors = word_vectors(x, pa.array(has))
    assert words == ["a", "b", "c"]
    # shares are 1/4, 1/4, 3/4; scores over all images have the mean PRIOR * log(share / median share)
    scores = (x @ vectors.T).mean(0) / vectors[:, :6].norm(dim=1)
    torch.testing.assert_close(scores, PRIOR * torch.tensor([1.0, 1, 3]).log(), rtol=1e-4, atol=1e-5)


def test_images_that_could_not_be_read_say_nothing():
    x = means(40)
    said = [["dog"] if row < 10 else ["cat"] for row in range(40)]
    words, vectors = word_vectors(x, pa.array(said))
    broken = torch.cat([x, torch.full((2, 7), torch.nan)])
    again = word_vectors(broken, pa.array([*said, ["dog"], ["yeti"]]))
    assert again[0] == words == ["cat", "dog"]
    torch.testing.assert_close(again[1], vectors)


def test_a_word_moves_to_the_regions_that_look_like_it():
    near = TEMPERATURE * math.log(3)  # a cosine that weighs three times what a cosine of 0 weighs
    one, other = [near, (0.75 - near**2) ** 0.5, 0.5], [0.0, 0.75**0.5, 0.5]
    unsaid = [[0.6, 0.0, 0.5], [0.0, 0.6, 0.5]]
    images = torch.tensor([[one, other], unsaid])
    said = Said.of(pa.array([["dog"], []]), torch.ones(2, dtype=torch.bool)).of_each(2)
    start = torch.tensor([[1.0, 0, 0]])
    vector = located(start, [(images[:1], said[:1]), (images[1:], said[1:])])[0]
    mean = 0.75 * torch.tensor(one) + 0.25 * torch.tensor(other)
    centre = images.mean((0, 1))
    direction = F.normalize(mean - centre, dim=0)
    # the constant takes off what the direction says of the mean region; one word alone has no prior
    expected = direction + torch.tensor([0, 0, -direction @ centre / 0.5])
    torch.testing.assert_close(vector, F.normalize(expected, dim=0))
    assert vector @ centre == pytest.approx(0, abs=1e-6)


def test_words_of_any_space_score_as_in_the_evened_out_one():
    """With a channel that never changes, the offset lies there alone and nothing is lost on the way back."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(60, 5, generator=generator) @ torch.randn(5, 5, generator=generator)
    x = torch.cat([x - x.mean(0), torch.full((60, 1), 3.0)], 1)
    said = pa.array([["dog"] if row % 3 else ["cat", "tree"] for row in range(60)])
    found = principal_components(6, 60, x.sum(0), x.T @ x)
    evened = x @ found["basis"] + found["bias"]
    words, plain = word_vectors(evened, said)
    again, vectors = vectors_anywhere(
        torch.cat([x, torch.full((1, 6), torch.nan)]), pa.array([*said.to_pylist(), ["x"]])
    )
    assert again == words == ["cat", "dog", "tree"]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    scores, expected = x @ vectors.T, evened @ plain.T
    torch.testing.assert_close(F.normalize(scores, dim=0), F.normalize(expected, dim=0), rtol=1e-4, atol=1e-5)
