from collections import Counter

import pytest
import torch
from torch import nn
from training_sections import train_settings

from ovseg_core.records import Batch
from ovseg_core.training.loader import Loaded
from ovseg_core.training.loop import NonFiniteLoss, Trainer, Worker, on_device, resolve_precision


class Tiny(nn.Module):
    """A method of one convolution, a norm and dropout: everything that a state has to carry."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(dropout)
        self.text = nn.Embedding(10, 4)

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        pooled = self.dropout(self.norm(self.conv(batch.images))).mean((2, 3))
        words = self.text(torch.tensor([int(key) % 10 for key in batch.keys]))
        return {"match": (pooled - words).pow(2).mean(), "size": 0.1 * pooled.pow(2).mean()}

    forward = losses


class Data:
    """Random images; a part is a function of its number, as with the real loader."""

    def __init__(self, size: int = 8, poison: int | None = None) -> None:
        self.size, self.poison, self.asked = size, poison, []

    def part(self, number: int) -> Loaded:
        generator = torch.Generator().manual_seed(number)
        images = torch.randint(0, 256, (self.size, 3, 4, 4), dtype=torch.uint8, generator=generator)
        keys = [str(number * self.size + i) for i in range(self.size)]
        batch = Batch(
            keys,
            images,
            [""] * self.size,
            [[]] * self.size,
            torch.zeros(self.size, 1, 1, 1) > 0,
            torch.zeros(self.size),
            torch.zeros(self.size, 1),
        )
        if number == self.poison:
            batch.images = torch.full((self.size, 3, 4, 4), float("nan"))
        return Loaded(batch, Counter({"undecodable_image": 1}) if number % 4 == 0 else Counter())

    def batches(self, first: int, last: int):
        self.asked.append((first, last))
        return (self.part(number) for number in range(first, last))


def trainer(seed: int = 0, dropout: float = 0.0, **changes: object) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(Tiny(dropout), train_settings(**changes), seed, Worker())


def nothing(trainer: Trainer, logged: bool) -> None:
    pass


def test_training_learns():
    made = trainer(steps=60, lr=0.05, log_every=10)
    made.run(Data(), nothing)
    match = [value for _, value in made.curves.points["match"]]
    assert match[-1] < 0.5 * match[0]


@pytest.mark.parametrize("ema", [None, 0.9])
def test_stopped_and_resumed_ends_in_the_same_bytes(tmp_path, ema):
    path = str(tmp_path / "state.safetensors")
    settings = {"dropout": 0.5, "ema": ema, "log_every": 3}
    whole = trainer(**settings)
    whole.run(Data(), nothing)

    class Killed(Exception):
        pass

    def save_at_five(made: Trainer, logged: bool) -> None:
        if made.step == 5:
            made.save(path)
        if made.step == 7:
            raise Killed

    first = trainer(**settings)
    with pytest.raises(Killed):
        first.run(Data(), save_at_five)
    second = trainer(seed=0, **settings)
    torch.manual_seed(999)  # the state decides, not what the process happens to draw
    assert second.resume(path)
    data = Data()
    second.run(data, nothing)
    assert data.asked == [(5, 10)]
    assert second.step == whole.step == 10
    assert second.drops == whole.drops == Counter(undecodable_image=3)
    assert second.curves.state == whole.curves.state
    expected = whole.weights()
    for name, value in second.weights().items():
        assert torch.equal(value, expected[name]), name


def test_without_a_state_nothing_is_resumed(tmp_path):
    assert not trainer().resume(str(tmp_path / "state.safetensors"))


def test_accumulated_parts_equal_one_large_batch():
    # batch norm sees each part alone, so it stays out of this comparison
    large, parts = trainer(steps=3, batch_size=16), trainer(steps=3, batch_size=16, accumulate=2)
    for made in (large, parts):
        made.model.norm = nn.Identity()
    large.run(Data(size=16), nothing)

    class Halves(Data):
        def part(self, number):
            whole = Data(size=16).part(number // 2).batch
            half = slice(0, 8) if number % 2 == 0 else slice(8, 16)
            return Loaded(
                Batch(
                    whole.keys[half],
                    whole.images[half],
                    [""] * 8,
                    [[]] * 8,
                    whole.masks[half],
                    whole.num_masks[half],
                    whole.labels[half],
                )
            )

    parts.run(Halves(), nothing)
    for (name, a), b in zip(large.model.named_parameters(), parts.model.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-5), name


def test_a_loss_that_is_no_number_stops_before_the_update_and_names_the_batch():
    made = trainer(steps=5)
    before = {}

    def remember(made: Trainer, logged: bool) -> None:
        before.update({name: value.clone() for name, value in made.model.named_parameters()})

    with pytest.raises(NonFiniteLoss, match=r"step 3: losses \{'match': nan.*'24', '25', '26'"):
        made.run(Data(poison=3), remember)
    for name, value in made.model.named_parameters():
        assert torch.equal(value, before[name])


def test_the_gradient_is_clipped():
    made = trainer(steps=1, clip_norm=1e-3)
    norms = []
    step = made.optimiser.step
    made.optimiser.step = lambda: (norms.append([p.grad.norm() for p in made.model.parameters()]), step())
    made.run(Data(), nothing)
    assert torch.stack(norms[0]).norm() == pytest.approx(1e-3, rel=1e-3)


def test_the_average_becomes_the_model():
    made = trainer(steps=2, ema=0.9)
    start = {name: value.clone() for name, value in made.model.state_dict().items()}
    weights = []
    made.run(Data(), lambda t, _: weights.append(t.model.conv.weight.detach().clone()))
    first = 0.1 * start["conv.weight"] + 0.9 * weights[0]  # d = 1/10 after the first step
    expected = 2 / 11 * first + 9 / 11 * weights[1]
    assert torch.allclose(made.weights()["conv.weight"], expected, atol=1e-6)


def test_bytes_become_numbers_up_to_one():
    batch = on_device(Data().part(0).batch, "cpu")
    assert batch.images.dtype == torch.float32
    assert 0.9 < batch.images.max() <= 1


def test_waiting_for_data_is_measured():
    made = trainer(steps=2)
    made.run(Data(), nothing)
    assert made.speed.images == 16
    assert 0 <= made.speed.waiting <= made.speed.seconds


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_precision_that_is_asked_for_is_taken(precision):
    assert resolve_precision(precision, "cpu") == precision
    made = trainer(steps=2, precision=precision)
    made.run(Data(), nothing)
    assert all(p.dtype == torch.float32 for p in made.model.parameters())


def test_auto_is_what_the_processor_does_fast():
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert resolve_precision("auto", "cpu") == ("bf16" if fast else "float32")
