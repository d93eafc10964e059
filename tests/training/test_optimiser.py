import pytest
import torch
from torch import nn
from training_sections import train_settings

from ovseg_core.training.optimiser import (
    Averaged,
    build_optimiser,
    learning_rate,
    optimiser_tensors,
    restore_optimiser,
    set_learning_rate,
)


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Linear(2, 2)
        self.text = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.temperature = nn.Parameter(torch.tensor(1.0))


def test_the_rate_rises_and_falls_as_worked_out_by_hand():
    settings = train_settings(lr=1.0, steps=12, warmup_steps=4)
    assert [learning_rate(step, settings) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate(4, settings) == 1.0
    assert learning_rate(8, settings) == pytest.approx(0.5)  # half of the 8 steps of the cosine
    assert learning_rate(6, settings) == pytest.approx(0.5 * (1 + 0.5**0.5))  # cos 45 degrees
    assert learning_rate(12, settings) == pytest.approx(0)
    assert learning_rate(0, train_settings(lr=1.0, steps=4, warmup_steps=0)) == 1.0


def test_vectors_and_scalars_do_not_decay_and_text_has_its_own_rate():
    model = Towers()
    optimiser = build_optimiser(model, train_settings(weight_decay=0.1, text_lr_scale=0.5))
    set_learning_rate(optimiser, 2.0)
    found = {
        id(parameter): (group["weight_decay"], group["lr"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    assert found == {
        id(model.image.weight): (0.1, 2.0),
        id(model.image.bias): (0.0, 2.0),
        id(model.temperature): (0.0, 2.0),
        id(model.text.weight): (0.1, 1.0),
        id(model.text.bias): (0.0, 1.0),
    }


def step(model: Towers, optimiser: torch.optim.Optimizer, seed: int) -> None:
    x = torch.rand(3, 2, generator=torch.Generator().manual_seed(seed))
    optimiser.zero_grad()
    (model.text(model.image(x)).pow(2).sum() * model.temperature).backward()
    optimiser.step()


def test_its_state_goes_out_and_back_by_name():
    torch.manual_seed(0)
    model = Towers()
    optimiser = build_optimiser(model, train_settings())
    step(model, optimiser, 1)
    state = {name: value.clone() for name, value in optimiser_tensors(optimiser, model).items()}
    assert set(state) == {
        f"{name}/{part}"
        for name in ("image.weight", "image.bias", "text.weight", "text.bias", "temperature")
        for part in ("step", "exp_avg", "exp_avg_sq")
    }
    other = Towers()
    other.load_state_dict(model.state_dict())
    fresh = build_optimiser(other, train_settings())
    restore_optimiser(fresh, other, state)
    step(model, optimiser, 2)
    step(other, fresh, 2)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_state_lies_in_memory_as_the_weights_do():
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = build_optimiser(model, train_settings())
    model(torch.rand(1, 3, 5, 5)).sum().backward()
    optimiser.step()
    plain = {name: value.contiguous() for name, value in optimiser_tensors(optimiser, model).items()}
    restore_optimiser(optimiser, model, plain)
    moments = optimiser.state[model.weight]["exp_avg"]
    assert moments.stride() == model.weight.stride()
    assert torch.equal(moments, plain["weight/exp_avg"])


def test_the_average_by_hand():
    model = nn.Module()
    model.weight = nn.Parameter(torch.tensor([1.0]))
    model.register_buffer("count", torch.tensor(0))
    average = Averaged(model, decay=0.5)
    with torch.no_grad():
        model.weight.fill_(11.0)
        model.count.fill_(3)
    average.update(model, 0)  # d = min(0.5, 1 / 10): 0.1 * 1 + 0.9 * 11
    assert average.tensors["weight"].item() == pytest.approx(10.0)
    assert average.tensors["count"].item() == 3
    with torch.no_grad():
        model.weight.fill_(0.0)
    average.update(model, 98)  # d = min(0.5, 99 / 108)
    assert average.tensors["weight"].item() == pytest.approx(5.0)
