"""S-Seg+: a trained run labels images pixel by pixel, for a second model to learn from.

What it writes is a corpus of labelled shards like that of the stages before, with a confidence beside every
label, so that training reads it as it reads human masks. A new threshold never runs the model again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ovseg_core import files, shards
from ovseg_core.benchmarks.training_images import training_images
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.params import build
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import read_config
from ovseg_core.training.identity import CODE, code_fingerprint
from pipelines import cluster, self_labeller, shard_map
from pipelines.cluster import ClusterSettings
from pipelines.self_label_settings import SelfLabelSettings
from pipelines.self_labeller import Job, SelfLabeller, Source, classes_of, table_path
from pipelines.shard_map import ActorResources

LABELLER = self_labeller.__file__  # its code decides the labels too
# of a reading, besides queries
DECIDE = ("use_proposals", "prompts", "short_side", "cluster_weight", "centring", "batch_size")


def label(
    given: Mapping[str, Any],
    model: Path | str,
    benchmarks: Path | str,
    out: Path | str,
    ray: ClusterSettings,
    log: RunLog,
) -> None:
    """Label the images that `given` (label.json) names, unless the same model has labelled them.

    Args:
        model: folder of the trained run; benchmarks: folder of all benchmarks.
        out: becomes a data folder that training reads: corpus, labelled, features.

    Raises:
        CheckpointError: for an unusable model folder. BenchmarkError: for images or classes that are missing.
        ParamError: when more than `max_bad` of the images cannot be decoded.
    """
    job = make_job(given, model, benchmarks, out)
    done = files.join(out, "labelled")
    files.sweep(done)
    for path in [*files.listing(done, ".parquet"), *files.listing(done, ".tar")]:
        if shards.name_of(path) not in job.stamps:
            files.remove(path)
    missing = [name for name, stamp in job.stamps.items() if shards.stamp_of(table_path(job, name)) != stamp]
    reports: list[dict[str, int]] = []
    if missing:  # else there is no need of Ray
        settings = job.settings
        resources = ActorResources(
            actors=settings.actors, num_cpus=settings.num_cpus, num_gpus=settings.num_gpus
        )
        with cluster.connect(ray):
            log.work_starts()
            reports = shard_map.map_shards(lambda: SelfLabeller(job), missing, resources, "self_label")
        files.sweep(done)
    tables = [table_path(job, name) for name in job.stamps]
    shard_map.account(log, reports, tables, "self_label", job.settings.max_bad)
    write_corpus(job)


def make_job(
    given: Mapping[str, Any],
    model: Path | str,
    benchmarks: Path | str,
    out: Path | str,
) -> Job:
    """The job with the fingerprint of every shard: its images, the model, its reading, what is asked for."""
    settings = build(given["label"], "self_label", SelfLabelSettings)
    reading = build(given["reading"], "evaluate", EvalSettings)
    read_config(model)  # says what is wrong where the run was never trained, or its folder is gone
    weights = files.digest(files.join(model, "model.safetensors"))
    classes = files.join(benchmarks, settings.benchmark)
    asked = classes_of(classes, reading, settings)
    sources = sources_of(settings)
    common = [weights, asked.queries, asked.names, settings.below]
    common += [getattr(reading, name) for name in DECIDE] + [settings.precision]
    common += [code_fingerprint((*CODE, "evaluation", "benchmarks")), files.digest(LABELLER)]
    stamps = {name: files.fingerprint(*common, content_of(source)) for name, source in sources.items()}
    return Job(
        model=files.absolute(model),
        benchmark=files.absolute(classes),
        reading=reading,
        out=files.absolute(out),
        sources=sources,
        stamps=stamps,
        settings=settings,
    )


def sources_of(settings: SelfLabelSettings) -> dict[str, Source]:
    """What to label, by the name of the shard that is written."""
    if listed := shards.list_shards(settings.images):
        return {shards.name_of(shard): files.absolute(shard) for shard in listed}
    paths = [files.absolute(path) for path in training_images(settings.images)]
    size = settings.shard_size
    return {f"{first // size:05d}": paths[first : first + size] for first in range(0, len(paths), size)}


def content_of(source: Source) -> Any:
    """What the labels of a shard depend on."""
    if isinstance(source, str):
        return files.digest(source + ".parquet")  # it holds a hash of every image
    return [files.digest(path) for path in source]  # wherever they lie


def write_corpus(job: Job) -> None:
    """The tables that training reads beside the shards: an image's words are the classes found in it."""
    tables = [shards.read_table(table_path(job, name)) for name in sorted(job.stamps)]
    found = pa.concat_tables([table.replace_schema_metadata(None) for table in tables])
    names = sorted({word for words in found["words"].to_pylist() for word in words})
    vocabulary = {"word": names, "part": ["noun"] * len(names), "documents": [1] * len(names)}
    vocabulary |= {"kept": [True] * len(names), "reason": [""] * len(names)}
    corpus = files.join(job.out, "corpus")
    shards.write_table(files.join(corpus, "samples.parquet"), found)
    shards.write_table(files.join(corpus, "vocabulary.parquet"), pa.table(vocabulary))
    files.write_json(files.join(job.out, "features", "features.json"), {"backbone": None})
