"""Pseudo masks for caption-only images: Ray actors hold a frozen teacher, a shard is a task.

What the teacher proposes is stored before any threshold: a new threshold never runs the teacher again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ovseg_core import files, shards
from ovseg_core.run_log import RunLog
from ovseg_core.teachers.settings import settings_of
from ovseg_core.training.identity import CODE, code_fingerprint
from ovseg_core.training.settings import COMPONENTS_FILE
from pipelines import cluster, labeller, shard_map
from pipelines.cluster import ClusterSettings
from pipelines.labeller import LabelJob, Labeller, LabelSettings, mask_path
from pipelines.shard_map import ActorResources

LABELLER = labeller.__file__  # its code decides the masks too


def label(
    teacher: Mapping[str, Any],
    model: Path | str,
    folder: Path | str,
    features: Path | str,
    out: Path | str,
    settings: LabelSettings,
    ray: ClusterSettings,
    log: RunLog,
    image: Mapping[str, Any] | None = None,
) -> None:
    """Label every shard of `folder` whose masks are missing or were made from something else.

    `image` is the section model.image, for teachers that read its backbone.

    Raises:
        ParamError: when more than `max_bad` of the images cannot be decoded.
    """
    job = make_job(teacher, model, folder, features, out, settings, image)
    files.sweep(out)
    for path in files.listing(out, ".parquet"):
        if shards.name_of(path) not in map(shards.name_of, job.stamps):
            files.remove(path)
    missing = [s for s, stamp in job.stamps.items() if shards.stamp_of(mask_path(job, s)) != stamp]
    reports: list[dict[str, int]] = []
    if missing:  # else there is no need of Ray
        resources = ActorResources(
            actors=settings.actors, num_cpus=settings.num_cpus, num_gpus=settings.num_gpus
        )
        with cluster.connect(ray):
            log.work_starts()
            reports = shard_map.map_shards(lambda: Labeller(job), missing, resources, "label")
        files.sweep(out)  # what an actor that was killed left
    tables = [mask_path(job, shard) for shard in job.stamps]
    shard_map.account(log, reports, tables, "pseudo_label", settings.max_bad)


def make_job(
    teacher: Mapping[str, Any],
    model: Path | str,
    folder: Path | str,
    features: Path | str,
    out: Path | str,
    settings: LabelSettings,
    image: Mapping[str, Any] | None = None,
) -> LabelJob:
    """The job with the fingerprint of every shard: its images, the teacher, what else decides the masks."""
    own, image = settings_of(teacher), dict(image or {})
    path = own.weights_path(str(model), image)
    weights = files.digest(path) if path else ""
    about = files.join(features, "features.json")
    cached = files.read_json(about) if files.exists(about) else {}
    use_maps = cached.get("backbone") is not None and own.reads_maps(cached, str(model), image)
    code = code_fingerprint((*CODE, "teachers")) + files.digest(LABELLER)
    made_by = [dict(teacher), weights, use_maps and cached, settings.batch_size, settings.precision, code]
    common = [*made_by, image, components_of(features, image)] if own.reads_image else made_by
    stamps = {
        files.absolute(shard): files.fingerprint(*common, files.digest(shard + ".parquet"))
        for shard in shards.list_shards(folder)
    }
    return LabelJob(
        teacher=dict(teacher),
        model=files.absolute(model),
        image=image,
        out=files.absolute(out),
        features=files.absolute(features),
        use_maps=use_maps,
        stamps=stamps,
        weights=weights,
        settings=settings,
    )


def components_of(features: Path | str, image: Mapping[str, Any]) -> str:
    """Hash of the principal components that a backbone's maps are read in; "" without."""
    path = files.join(features, COMPONENTS_FILE)
    return files.digest(path) if image.get("components") and files.exists(path) else ""
