"""One worker's whole training: build, resume, train, and at the end write the model folder."""

import logging
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ovseg_core import files, params
from ovseg_core.methods.registry import build
from ovseg_core.training import checkpoint
from ovseg_core.training.corpus import DataFolders, Stream, read_label_names, read_streams, read_words
from ovseg_core.training.identity import Job
from ovseg_core.training.loader import NO_PARTNER, Loader, StreamReader, UnusableData
from ovseg_core.training.loop import NonFiniteLoss, Trainer, Worker, on_device
from ovseg_core.training.plan import StreamPlan
from ovseg_core.training.settings import COMPONENTS_FILE, DataSettings, TrainSettings, backbone_of
from ovseg_core.training.shard_cache import ShardCache
from ovseg_core.training.word_start import start_words

logger = logging.getLogger(__name__)
SHOWN = 12  # images whose groups are drawn
# of the data or the parameters: a worker that starts again would meet them again
EXPECTED_ERRORS = (
    NonFiniteLoss,
    UnusableData,
    params.ParamError,
    checkpoint.CheckpointError,
    FileNotFoundError,
)


def run_job(job: Job, worker: Worker) -> None:
    """Train to the end from wherever the state file stands, and write `job.model` and `job.done`.

    Every worker calls it; in a group of several, torch.distributed is up. `job.progress` is written on the
    way.
    """
    settings = params.build(job.run["train"], "train", TrainSettings)
    data = params.build(job.run["data"], "data", DataSettings)
    prepare_device(worker.device, settings.threads)
    words = read_words(DataFolders(job.data), data)
    torch.manual_seed(job.seed)
    model = build(job.run["method"], job.run["settings"], job.run["model"], words)
    path = files.join(DataFolders(job.data)["features"], COMPONENTS_FILE)
    checkpoint.load_components(getattr(model, "image", model), path)
    start = job.run["model"]["text"]["start"]
    if start != "random" and hasattr(model, "text"):
        start_words(model, read_streams(DataFolders(job.data), data).get(False), cached_features(job), start)
    if settings.start:
        checkpoint.start_from(model, settings.start, job.run["method"])
    if not getattr(model, "trains", True):
        return finish_as_it_is(model, job, words, worker)
    loader = make_loader(job, model, settings, data, worker)
    trainer = Trainer(model, settings, job.seed, worker)
    if trainer.resume(job.state):
        logger.info("goes on from step %d", trainer.step)

    def after_step(trainer: Trainer, logged: bool) -> None:
        check_drops(trainer, settings, data)
        if logged and worker.rank == 0:
            files.write_json(job.progress, progress(trainer))
        if trainer.step % settings.checkpoint_every == 0 and trainer.step < settings.steps:
            trainer.save(job.state)

    try:
        trainer.run(loader, after_step)
        if worker.rank == 0 and hasattr(model, "picture"):
            write_picture(trainer, job, loader)
    finally:
        loader.close()
    finish(trainer, job, words)


def prepare_device(device: str, threads: int) -> None:
    """On a processor: a set number of threads and deterministic kernels, so that sums keep their order."""
    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)  # collectives of objects go by it
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time


def make_loader(
    job: Job, model: nn.Module, settings: TrainSettings, data: DataSettings, worker: Worker
) -> Loader:
    """The loader of one worker over the corpus of a job."""
    folders = DataFolders(job.data)
    streams = read_streams(
        folders,
        data,
        nouns=getattr(model, "reads_nouns", False),
        entities=getattr(model, "reads_entities", False) or data.pairs > 0,
        verbs=getattr(model, "reads_verbs", False),
    )
    reads_labels = getattr(model, "reads_labels", False) and True in streams
    names = read_label_names(streams[True]) if reads_labels else []
    features = cached_features(job)
    readers = {}
    for labelled, stream in streams.items():
        pseudo = files.join(folders["pseudo"], data.pseudo) if data.pseudo and not labelled else None
        plan = stream_plan(stream, job.seed, data, worker)
        cache = ShardCache(pseudo, features, data.memory_mb * 2**20)
        readers[labelled] = StreamReader(stream, plan, data, job.seed, cache)
    return Loader(readers, settings.part_size, names, (job.seed, worker.rank))


def stream_plan(stream: Stream, seed: int, data: DataSettings, worker: Worker) -> StreamPlan:
    """Data order of one worker over one stream."""
    try:
        return StreamPlan(
            stream.shard_of, (seed, int(stream.labelled)), worker.rank, worker.world, data.window
        )
    except ValueError as error:
        raise params.ParamError(f"train.workers is {worker.world}: {error}") from error


def cached_features(job: Job) -> str | None:
    """The folder of cached maps where they are of this very backbone and image size, else None."""
    folder = DataFolders(job.data)["features"]
    about = files.join(folder, "features.json")
    made = files.read_json(about) if files.exists(about) else {"backbone": None}
    if made["backbone"] is None or not job.run["model"]["image"]["frozen"]:
        return None
    mine = {"image": backbone_of(job.run["model"]["image"]), "size": job.run["data"]["size"]}
    theirs = {"image": made["image"], "size": made["size"]}
    if mine == theirs:
        return folder
    logger.warning("cached maps in %s are of %s, this run wants %s: it decodes images", folder, theirs, mine)
    return None


def check_drops(trainer: Trainer, settings: TrainSettings, data: DataSettings) -> None:
    """Stop when more samples are unusable than `data.max_bad` allows."""
    seen = trainer.step * settings.part_size * settings.accumulate
    dropped = sum(trainer.drops.values()) - trainer.drops[NO_PARTNER]  # that image was used, alone
    if dropped > data.max_bad * seen + 1:
        raise UnusableData(
            f"data.max_bad is {data.max_bad}, but {dropped} of {seen + dropped} samples up to step "
            f"{trainer.step} could not be used: {dict(trainer.drops)}"
        )


def write_picture(trainer: Trainer, job: Job, loader: Loader) -> None:
    """`groups.safetensors` of the model folder: what the model sees in a few images of the first batch.

    Images with a partner come first, each followed by it. Where cached maps stood for the images, `keys`
    alone says which they are.
    """
    batch = next(loader.batches(0, 1)).batch
    pairs = [(row, other) for row, other in enumerate(batch.partner) if other > row]
    rows = [row for pair in pairs for row in pair] or list(range(len(batch)))
    chosen = on_device(batch.rows(rows[:SHOWN]), trainer.worker.device)
    model: Any = trainer.model
    shown = model.eval().picture(chosen)
    model.train()
    if not chosen.features:
        shown["images"] = (chosen.images * 255).round().to(torch.uint8)
    note = {name: getattr(chosen, name) for name in ("keys", "captions", "shared")}
    files.write_bytes(files.join(job.model, "groups.safetensors"), checkpoint.pack(shown, note))


def finish(trainer: Trainer, job: Job, words: list[str]) -> None:
    """Write the model folder and what the training did; the first worker writes."""
    drops = trainer.all_drops()
    if trainer.worker.rank:
        return
    checkpoint.save_model(job.model, trainer.weights(), config_of(job, words))
    trainer.curves.write(files.join(job.model, "curves"))
    files.write_json(files.join(job.model, "summary.json"), summary(trainer, drops))
    done = {**asdict(trainer.speed), "drops": drops, "precision": trainer.precision, "trains": True}
    files.write_json(job.done, done)


def finish_as_it_is(model: nn.Module, job: Job, words: list[str], worker: Worker) -> None:
    """The same for a method that is not trained, such as a pretrained CLIP."""
    if worker.rank:
        return
    checkpoint.save_model(job.model, model.state_dict(), config_of(job, words))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    nothing = {"steps": 0, "images": 0, "drops": {}, "precision": "float32"}
    facts = {"workers": worker.world, "parameters": parameters, "trained_parameters": 0, "losses": {}}
    files.write_json(files.join(job.model, "summary.json"), nothing | facts)
    files.write_json(job.done, nothing | {"seconds": 0.0, "waiting": 0.0, "trains": False})


def config_of(job: Job, words: list[str]) -> dict[str, Any]:
    """`config.json` of the model folder."""
    config = {key: job.run[key] for key in ("run", "method", "settings", "model")}
    config |= {"words": words, "seed": job.seed, "corpus": job.corpus}
    config["size"] = job.run["data"]["size"]  # of the training images, for whoever predicts
    return config


def summary(trainer: Trainer, drops: dict[str, int]) -> dict[str, Any]:
    """Facts of a finished training that do not depend on wall time."""
    parameters = list(trainer.model.parameters())
    return {
        "steps": trainer.step,
        "images": trainer.step * trainer.settings.batch_size,
        "workers": trainer.worker.world,
        "precision": trainer.precision,
        "parameters": sum(p.numel() for p in parameters),
        "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "losses": {name: float(f"{value:.6g}") for name, value in trainer.curves.last().items()},
        "drops": dict(drops),
    }


def progress(trainer: Trainer) -> dict[str, Any]:
    """Where a training stands, for a progress bar."""
    speed = trainer.speed
    seconds = max(speed.seconds, 1e-9)
    losses = [f"{name} {value:.3f}" for name, value in trainer.curves.last().items()]
    rate = speed.images * trainer.worker.world / seconds
    return {
        "step": trainer.step,
        "text": ", ".join([*losses, f"{rate:.0f} img/s", f"{speed.waiting / seconds:.1%} waiting"]),
    }
