"""Training on Ray Train workers. Killed workers go on from the last state, a killed stage when run again."""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ovseg_core import files, params
from ovseg_core.run_log import RunLog
from ovseg_core.training.identity import Job, code_fingerprint, data_fingerprint
from ovseg_core.training.settings import TrainSettings
from pipelines import cluster
from pipelines.cluster import ClusterSettings

MAX_FAILURES = 3  # of workers in one run of the stage; each time they start again from the last state


class TrainingFailed(Exception):
    """Training ended with an error that another try would meet again."""


def train(
    run: Mapping[str, Any], seed: int, data: Path | str, out: Path | str, ray: ClusterSettings, log: RunLog
) -> None:
    """Train one resolved run and write its model folder.

    Args:
        run: the content of `data/runs/{run}/train.json`.
        data: folder that holds corpus, shards, labelled, pseudo and features.
        out: the model folder; it appears when training has ended.

    Raises:
        TrainingFailed: with the worker's message, such as the keys of a batch with a non-finite loss.
    """
    run = at_seed(run, seed)
    settings = params.build(run["train"], "train", TrainSettings)
    job = make_job(run, seed, data, settings)
    if not files.exists(job.done):  # else the stage was killed between the end of training and here
        with cluster.connect(ray):
            fit(job, settings, ray.trainings)
    if files.exists(job.failure):
        message = files.read_json(job.failure)["message"]
        files.remove(job.failure)
        raise TrainingFailed(message)
    report(files.read_json(job.done), settings, log)
    publish(job.model, out)
    files.remove_folder(job.folder)


def at_seed(run: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
    """The run with its seed in place of `{seed}` in `train.start`."""
    start = run["train"]["start"]
    if start is None:
        return run
    return {**run, "train": {**run["train"], "start": start.replace("{seed}", str(seed))}}


def make_job(run: Mapping[str, Any], seed: int, data: Path | str, settings: TrainSettings) -> Job:
    """The job with its working folder, which is named after everything that decides the result."""
    corpus = data_fingerprint(str(data), run["data"]["pseudo"])
    start = files.digest(files.join(settings.start, "model.safetensors")) if settings.start else None
    whole = files.fingerprint(run, seed, corpus, code_fingerprint(), *([start] if start else []))
    storage = files.absolute(settings.storage or "work")
    folder = files.join(storage, "train", whole)
    return Job(run=dict(run), seed=seed, data=files.absolute(data), folder=folder, corpus=corpus)


def fit(job: Job, settings: TrainSettings, at_once: int) -> None:
    """Run the job on Ray Train workers; returns when `job.done` or `job.failure` is written."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig

    from pipelines.process_group import GroupConfig, LeanTrainer

    use_gpu, available = settings.num_gpus > 0, ray.cluster_resources().get("CPU", 1)
    trainer = LeanTrainer(
        train_worker,
        train_loop_config=asdict(job),
        backend_config=GroupConfig(use_gpu=use_gpu),
        scaling_config=ScalingConfig(
            num_workers=settings.workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": cpus_of_a_worker(settings, available / at_once)},
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=job.folder,
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    with progress_bar(job, settings.steps):
        trainer.fit()


@contextmanager
def progress_bar(job: Job, steps: int) -> Iterator[None]:
    """Shows, in this process, where the first worker says it is; it may be on another machine."""
    ended = threading.Event()

    def follow() -> None:
        with tqdm(total=steps, desc=f"{job.run['run']}, seed {job.seed}", unit="step") as bar:
            while True:
                last = ended.wait(0.5)
                with suppress(OSError, ValueError):
                    now = files.read_json(job.progress)
                    bar.set_postfix_str(now["text"], refresh=False)
                    bar.update(now["step"] - bar.n)
                if last:
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def cpus_of_a_worker(settings: TrainSettings, available: float) -> float:
    """CPUs that Ray reserves per worker: one per thread, or its share of what there is for this training."""
    return min(float(settings.threads), available / settings.workers)


def train_worker(config: dict[str, Any]) -> None:
    """What every Ray Train worker runs. An error that would come again is written down, not retried.

    A loss that is not finite is seen by all workers at once, so that none is left waiting.
    """
    import ray.train

    from ovseg_core.training.job import EXPECTED_ERRORS, run_job
    from ovseg_core.training.loop import NonFiniteLoss, Worker

    job = Job(**config)
    if files.exists(job.failure) or files.exists(job.done):
        return  # a restart of the group after an error that would come again, or after the end
    context = ray.train.get_context()
    use_gpu = job.run["train"]["num_gpus"] > 0
    device = f"cuda:{context.get_local_rank()}" if use_gpu else "cpu"
    worker = Worker(rank=context.get_world_rank(), world=context.get_world_size(), device=device)

    try:
        run_job(job, worker)
    except EXPECTED_ERRORS as error:
        files.write_json(job.failure, {"message": str(error)})
        if worker.world > 1 and not isinstance(error, NonFiniteLoss):
            raise  # the others wait for this worker in a collective: end the group


def report(done: Mapping[str, Any], settings: TrainSettings, log: RunLog) -> None:
    """What the training did, for the log. Speed is that of its last process."""
    log.startup_s = time.perf_counter() - log.started - done["seconds"]
    steps = settings.steps if done["trains"] else 0
    log.items, log.unit = steps * settings.batch_size, "images"
    log.drops.update(done["drops"])
    seconds = max(done["seconds"], 1e-9)
    log.facts |= {
        "steps": steps,
        "precision": done["precision"],
        "workers": settings.workers,
        "images_per_second": round(done["images"] * settings.workers / seconds, 1),
        "waiting_for_data": round(done["waiting"] / seconds, 4),
    }


def publish(model: str, out: Path | str) -> None:
    """Copy the finished model folder to where the graph wants it, whole or not at all."""
    out = Path(out)
    partial = out.with_name(files.TEMPORARY + out.name)
    shutil.rmtree(partial, ignore_errors=True)
    files.copy_folder(model, partial)
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
