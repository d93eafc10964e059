"""OVSegmentor: what a step costs over its parts, and what partners cost over contrast alone.

Usage: `python -m benchmarks.grouping [--batch 128] [--rounds 10] [--threads 1]`. The model of the recipe
`ovsegmentor-toy` on drawn scenes. The parts are timed by themselves: image encoder, text tower on captions,
prompts and masked captions, decoder, the momentum model's forward pass, the optimiser. They take turns with
the whole, so that a slow minute hits all of them. CPU seconds.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from ovseg_core import params
from ovseg_core.methods.prompting import completion
from ovseg_core.methods.registry import build
from ovseg_core.models.text_tokens import mask_text, text_tokens
from ovseg_core.models.text_towers import embed
from ovseg_core.records import Batch
from ovseg_core.training.loop import resolve_precision
from ovseg_core.web.world import draw_scene, scene_rng
from pipelines import recipe, settings

Step = Callable[[], torch.Tensor]
WHOLE, CONTRAST = "ovsegmentor", "ovsegmentor-contrast"


def drawn_batch(size: int) -> Batch:
    """An even number of captioned scenes; the first half and the second are partners."""
    scenes = [draw_scene(scene_rng(0, "captioned", number), 64) for number in range(size)]
    images = torch.stack([torch.from_numpy(scene.image.copy()) for scene in scenes]).permute(0, 3, 1, 2)
    said = [sorted({word for word in scene.caption.lower().split() if len(word) > 3}) for scene in scenes]
    half = size // 2
    return Batch(
        keys=[str(number) for number in range(size)],
        images=images.float() / 255,
        captions=[scene.caption for scene in scenes],
        words=said,
        masks=torch.zeros(size, 1, 16, 16, dtype=torch.bool),
        num_masks=torch.zeros(size, dtype=torch.int64),
        labels=torch.full((size, 1), -1),
        entities=said,
        entity_names=sorted({word for words in said for word in words}),
        partner=[(row + half) % size for row in range(size)],
        shared=[(words or ["sky"])[0] for words in said],
        step=9,
        steps=10,
    )


def parts_of(model: nn.Module, batch: Batch, optimiser: torch.optim.Optimizer) -> dict[str, Step]:
    """What a step is made of, each with its backward pass."""
    maps = model.image.stem.maps(batch.images)
    asked = completion(batch.captions, batch.entities, mask_text(model.text), "single", batch.seed, False)

    def images() -> torch.Tensor:
        found = model.image(model.image.stem.maps(batch.images))
        return found.groups.float().sum() + found.affinity.float().sum()

    def masked() -> torch.Tensor:
        tokens = text_tokens(model.text, asked.masked)
        features = model.decoder(tokens, torch.zeros(len(batch), model.image.num_groups, model.image.width))
        return model.completed(tokens.whole(features)).float().sum()

    def slow() -> torch.Tensor:
        with torch.no_grad():
            model.momentum.follow(model.image, batch.step)
            model.momentum.model(model.momentum.model.stem.maps(batch.images))
        return maps[-1].new_zeros((), requires_grad=True)

    def update() -> torch.Tensor:
        optimiser.step()
        return maps[-1].new_zeros((), requires_grad=True)

    return {
        "image encoder": images,
        "captions": lambda: embed(model.text, batch.captions).sum(),
        "prompts": lambda: embed(model.text, asked.prompts).sum(),
        "masked captions and decoder": masked,
        "momentum model": slow,
        "optimiser": update,
    }


def contestants(batch: Batch) -> tuple[dict[str, Step], dict[str, torch.optim.Optimizer]]:
    """The steps of the two runs with their optimisers, and the parts of the first."""
    runs = settings.resolve(params.merge(params.read("params.yaml"), recipe.load("ovsegmentor-toy")))
    steps: dict[str, Step] = {}
    optimisers: dict[str, torch.optim.Optimizer] = {}
    for name in (WHOLE, CONTRAST):
        run = runs[name].train
        torch.manual_seed(0)
        model = build(run["method"], run["settings"], run["model"], batch.entity_names)
        model = model.to(memory_format=torch.channels_last).train()
        optimisers[name] = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        steps[name] = lambda model=model: sum(model.losses(batch).values())
        if name == WHOLE:
            steps[name]().backward()  # the optimiser, timed by itself, needs gradients
            steps |= parts_of(model, batch, optimisers[name])
    return steps, optimisers


def one_step(step: Step, optimiser: torch.optim.Optimizer | None, half: bool) -> float:
    """CPU seconds of a step, or of a part of one."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = step()
    loss.backward()
    if optimiser:
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    steps, optimisers = contestants(drawn_batch(args.batch))
    half = resolve_precision("auto", "cpu") == "bf16"
    times = dict.fromkeys(steps, 0.0)
    for turn in range(args.rounds + 1):  # the first one warms up
        for name, step in steps.items():
            times[name] += one_step(step, optimisers.get(name), half) * (turn > 0)
    whole, contrast = times.pop(WHOLE), times.pop(CONTRAST)
    for name, seconds in times.items():
        print(f"{name}: {seconds / args.rounds * 1e3:.0f} ms")
    parts = sum(times.values())
    print(f"step with all losses: {whole / args.rounds * 1e3:.0f} ms, {whole / parts:.2f} of its parts")
    print(f"step with partners and all losses / contrast alone: {whole / contrast:.2f}")


if __name__ == "__main__":
    main()
