"""OpenSeg's own: Eq. 5 and 6, regions, training over workers, the paper's size."""

import math
import os
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_methods import MODEL, batch, make
from torch.nn.parallel import DistributedDataParallel

from ovseg_core.methods import inference
from ovseg_core.methods.inference import dense_scores, region_scores
from ovseg_core.methods.masks import confidence
from ovseg_core.training.checkpoint import CheckpointError, save_model, start_from


def test_region_scores_weigh_cosines_by_masks():
    regions = torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])
    texts = torch.tensor([[1.0, 0.0], [3.0, 3.0]])
    masks = torch.tensor([[[[1.0, 0.5]], [[0.0, 0.25]]]])  # (1, 2, 1, 2)
    # <w, z>: [[1, 0], [1/sqrt 2, 1/sqrt 2]]; y = <w, z> . s
    half = 1 / math.sqrt(2)
    y = region_scores(regions, masks, texts)
    assert y[0, 0, 0].tolist() == pytest.approx([1.0, 0.5])
    assert y[0, 1, 0].tolist() == pytest.approx([half, 0.75 * half])
    assert y.argmax(1).tolist() == [[[0, 1]]]  # Eq. 6


def test_dense_scores_are_cosines_per_location():
    features = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]])
    y = dense_scores(features, torch.tensor([[0.0, 7.0]]))
    assert y[0, 0, 0].tolist() == pytest.approx([0.0, 1.0])


def test_clusters_score_by_the_mean_of_their_locations_over_several_sizes(monkeypatch):
    features = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]])
    monkeypatch.setattr(inference, "CLUSTERS", (1, 2))
    y = inference.cluster_scores(features, torch.tensor([[0.0, 7.0]]))
    one = 1 / math.sqrt(2)  # the mean of both unit vectors against the text; in two clusters: 0 and 1
    assert y[0, 0, 0].tolist() == pytest.approx([one / 2, (one + 1) / 2])
    generator = torch.Generator().manual_seed(0)
    x, texts = torch.randn(2, 5, 6, 7, generator=generator), torch.randn(3, 5, generator=generator)
    monkeypatch.setattr(inference, "CLUSTERS", (42, 100))  # no location has a like, and clusters may be empty
    assert torch.allclose(inference.cluster_scores(x, texts), dense_scores(x, texts), atol=1e-6)


def test_confidence_is_the_mean_probability_where_a_mask_is_on():
    masks = torch.tensor([[[[0.9, 0.7, 0.2]], [[0.4, 0.1, 0.0]]]])
    assert confidence(masks)[0].tolist() == pytest.approx([0.8, 0.0])


def test_the_losses_are_weighted_and_switchable():
    given = batch()
    once, twice = make("openseg", alpha=1.0)(given), make("openseg", alpha=2.0)(given)
    assert set(once) == {"mask", "grounding", "word"}
    assert twice["mask"].item() == pytest.approx(2 * once["mask"].item())
    assert twice["grounding"] == once["grounding"]
    half = make("openseg", alpha=1.0, grounding_weight=0.5)(given)
    assert half["grounding"].item() == pytest.approx(once["grounding"].item() / 2)
    assert half["word"] == once["word"]
    assert set(make("openseg", word_weight=0.0)(given)) == {"mask", "grounding"}


def test_grounding_reaches_the_mask_head():
    model = make("openseg", alpha=0.0, word_weight=0.0)
    model(batch())["grounding"].backward()
    assert model.proposer.queries.queries.grad.abs().sum() > 0


def test_words_are_aligned_to_the_masks_of_another_model(tmp_path):
    """Its pyramid and masks stay to the bit, norms included, while words and temperature learn."""
    teacher = make("masks", quality_weight=1.0)
    with torch.no_grad():
        for tensor in teacher.parameters():
            tensor.add_(0.125)
    config = {"run": "a", "method": "masks", "settings": {}, "model": MODEL, "words": []}
    save_model(str(tmp_path / "teacher"), teacher.state_dict(), config)
    model = make("openseg", head="mlp", regions="frozen")
    start_from(model, tmp_path / "teacher", "openseg")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], weight_decay=0.1)
    model.train()
    found = model(batch())
    assert set(found) == {"grounding", "word"}
    sum(found.values()).backward()
    optimiser.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("text.") for name in changed)
    assert any(name.startswith("semantics.") for name in changed)
    assert not any(name.startswith(("image.", "proposer.")) for name in changed)
    assert all(torch.equal(before[n], v) for n, v in teacher.state_dict().items() if n in before)
    with pytest.raises(CheckpointError, match="a model of 'masks', not of 'clip_dense'"):
        start_from(make("clip_dense"), tmp_path / "teacher", "clip_dense")


def test_word_dropout_follows_the_seed_of_the_batch():
    model, given = make("openseg", kp=0.5), batch(8)
    losses = {seed: model(replace(given, seed=seed))["grounding"].item() for seed in (1, 2)}
    assert losses[1] != losses[2]


@pytest.mark.parametrize("regions", ["grid", "kmeans"])
@pytest.mark.parametrize("head", ["conv", "mlp"])
def test_regions_that_are_not_learnt(regions, head):
    model, given = make("openseg", regions=regions, head=head), batch()
    assert set(model(given)) == {"grounding", "word"}
    masks = model.proposals(given.images)
    side = 8 if head == "conv" else 4  # of F, or of the backbone's last map
    assert masks.shape == (4, 4, side, side)
    assert torch.equal(masks.sum(1), torch.ones(4, side, side))
    scores = model.score_maps(given.images, model.embed_text(["fish"]))
    dense = model.score_maps(given.images, model.embed_text(["fish"]), "none")
    assert scores.shape == dense.shape == (4, 1, side, side)


def test_cached_features_replace_the_backbone():
    frozen = {**MODEL, "image": {**MODEL["image"], "frozen": True}}
    model, given = make("openseg", model=frozen), batch()
    features = model.image.frozen_maps(given.images)
    blind = replace(given, images=torch.zeros_like(given.images), features=features)
    assert model(blind)["grounding"].item() == pytest.approx(model(given)["grounding"].item())


def test_other_image_sizes_work():
    model = make("openseg")
    assert model.score_maps(torch.rand(1, 3, 48, 64), model.embed_text(["fish"])).shape == (1, 1, 12, 16)


def _halves(given, rank, world):
    size = len(given) // world
    part = slice(rank * size, (rank + 1) * size)
    lists = {name: getattr(given, name)[part] for name in ("keys", "captions", "words")}
    tensors = {name: getattr(given, name)[part] for name in ("images", "masks", "num_masks", "labels")}
    return replace(given, **lists, **tensors)


def _uneven():
    """Four captions of different lengths; the last has no words."""
    return replace(batch(4), words=[["fish", "sky"], ["house"], ["red fish"], []])


def _worker(rank, world, file, method, queue):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world)
    model = DistributedDataParallel(make(method).eval())  # batch norm would see half the batch
    losses = model(_halves(_uneven(), rank, world))
    sum(losses.values()).backward()
    gradients = {name: p.grad.numpy() for name, p in model.module.named_parameters()}
    queue.put((rank, {k: v.item() for k, v in losses.items()}, gradients))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("method", ["openseg", "clip_dense"])
def test_two_workers_equal_one_on_the_whole_batch(method, tmp_path):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = mp.get_context("spawn")
    queue = context.Queue()
    file = tmp_path / "meet"
    processes = [context.Process(target=_worker, args=(r, 2, file, method, queue)) for r in range(2)]
    for process in processes:
        process.start()
    results = sorted((queue.get(timeout=120) for _ in processes), key=lambda item: item[0])
    for process in processes:
        process.join(30)

    single = make(method).eval()
    losses = single(_uneven())
    sum(losses.values()).backward()
    for name, value in losses.items():
        values = [found[name] for _, found, _ in results]
        if name == "mask":  # a mean over each worker's own images
            values = [sum(values) / 2]
        assert values == pytest.approx([value.item()] * len(values), abs=1e-5)
    for name, parameter in single.named_parameters():
        torch.testing.assert_close(
            torch.from_numpy(results[0][2][name]), parameter.grad, rtol=1e-3, atol=1e-5, msg=name
        )


def test_the_papers_size_is_a_matter_of_settings():
    """Sec. 4.1: EfficientNet-B7, width 640, 128 queries, a frozen text tower of BERT-Large's size."""
    image = {**MODEL["image"], "backbone": "timm:tf_efficientnet_b7", "levels": [2, 3, 4, 5], "width": 640}
    # 24 layers of width 1024, as BERT-Large
    text = {**MODEL["text"], "tower": "open_clip:ViT-H-14", "frozen": True}
    model = make(
        "openseg",
        model={"image": image, "text": text, "embed_dim": 640},
        num_regions=128,
        layers=3,
        positions=160,
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) > 90e6
    optimiser = torch.optim.SGD(trained, 0.005)
    losses = model(batch(2))
    sum(losses.values()).backward()
    optimiser.step()
    assert all(torch.isfinite(p).all() for p in trained)
    assert model.proposals(batch(2).images).shape == (2, 128, 8, 8)
