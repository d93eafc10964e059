"""Maps of a frozen backbone, computed once by Ray actors, a shard per task; every training reads them.

A shard's file holds `level0`, `level1`, ... (rows, C, h, w) in half precision, finest first, in the order of
the shard's table, `mean` (rows, C) of the last one over its locations, and `valid` (rows,), false where an
image could not be decoded.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg_core import files, shards
from ovseg_core.models.settings import ImageSettings
from ovseg_core.params import build, check
from ovseg_core.records import BadSample
from ovseg_core.run_log import RunLog
from ovseg_core.training.identity import code_fingerprint
from ovseg_core.training.settings import COMPONENTS_FILE, FeatureSettings, backbone_of
from pipelines import cluster, shard_map
from pipelines.actor_device import prepare
from pipelines.cluster import ClusterSettings
from pipelines.components import find_components, fingerprint
from pipelines.shard_map import ActorResources

ABOUT = "features.json"  # what was cached: trainings compare it with their own model


@dataclass(frozen=True)
class FeatureJob:
    """What a caching actor needs to know."""

    image: dict[str, Any]  # section model.image
    out: str
    stamps: dict[str, str]  # shard -> fingerprint of what its maps are made from
    components: str | None  # file of the principal components
    settings: FeatureSettings


def cache_features(
    settings: FeatureSettings,
    image: Mapping[str, Any],
    folders: Sequence[str],
    out: Path | str,
    ray: ClusterSettings,
    log: RunLog,
) -> None:
    """Write the maps of every shard in `folders` whose file is missing or was made from something else.

    Without `features.backbone` the folder says so and is otherwise empty.
    """
    check_backbone(settings, image)
    about: dict[str, Any] = {"backbone": settings.backbone}
    components = files.join(files.absolute(out), COMPONENTS_FILE) if image["components"] else None
    job = FeatureJob(dict(image), files.absolute(out), {}, components, settings)
    if settings.backbone is not None:
        about |= {"image": backbone_of(image), "size": settings.size, "precision": settings.precision}
        about |= {
            "weights": files.digest(image["weights"]) if is_file(image["weights"]) else image["weights"]
        }
        job.stamps.update(stamps_of(about, settings, folders))
    files.sweep(out)
    for path in files.listing(out, ".safetensors"):
        if path != components and shards.name_of(path) not in map(shards.name_of, job.stamps):
            files.remove(path)
    missing = [shard for shard, stamp in job.stamps.items() if stamp_of(map_path(job, shard)) != stamp]
    stale = components is not None and stamp_of(components) != fingerprint(job)
    if stale:  # all maps hang on them
        missing = list(job.stamps)
    reports: list[dict[str, int]] = []
    if missing:
        resources = ActorResources(
            actors=settings.actors, num_cpus=settings.num_cpus, num_gpus=settings.num_gpus
        )
        with cluster.connect(ray):
            log.work_starts()
            if stale:
                find_components(job, missing, resources)
            reports = shard_map.map_shards(lambda: FeatureMaker(job), missing, resources, "features")
        files.sweep(out)  # what an actor that was killed left
    files.write_json(files.join(out, ABOUT), about)
    log.unit = "images"
    for report in reports:
        log.items += report.pop("images")
        log.drops.update(report)
    log.facts |= {"shards": len(missing), "shards_kept": len(job.stamps) - len(missing)}


def check_backbone(settings: FeatureSettings, image: Mapping[str, Any]) -> None:
    """Only maps of a backbone that is the same in every run can be cached."""
    if settings.backbone is None:
        components = image["components"]
        check(not components, "model.image.components", components, "null where features.backbone is null")
        return
    tower = build(image, "model.image", ImageSettings)
    check(
        settings.backbone == tower.backbone,
        "features.backbone",
        settings.backbone,
        f"null, or model.image.backbone, which is {tower.backbone!r}",
    )
    check(tower.frozen, "model.image.frozen", tower.frozen, "true where features.backbone is set")
    check(
        tower.weights is not None,
        "model.image.weights",
        tower.weights,
        "a file where features.backbone is set: random weights differ from seed to seed",
    )


def is_file(weights: str) -> bool:
    """Whether the weights are a file, not the name of something that is fetched."""
    return weights.endswith(".safetensors")


def stamps_of(about: Mapping[str, Any], settings: FeatureSettings, folders: Sequence[str]) -> dict[str, str]:
    """The fingerprint of every shard's maps."""
    code = code_fingerprint(("models",))
    return {
        files.absolute(shard): files.fingerprint(
            about, settings.batch_size, code, files.digest(shard + ".parquet")
        )
        for shard in shards.list_shards(*folders)
    }


def map_path(job: FeatureJob, shard: str) -> str:
    """Where the maps of a shard lie."""
    return files.join(job.out, shards.name_of(shard) + ".safetensors")


def stamp_of(path: str) -> str | None:
    """The fingerprint in a file of maps; None where it is missing. Reads the header only."""
    if not files.exists(path):
        return None
    with files.open_read(path) as handle:
        header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
    return json.loads(header.get("__metadata__", {}).get("ovseg", "{}")).get("fingerprint")


class FeatureMaker:
    """The frozen image tower, called with one shard after another. It imports nothing of Ray."""

    def __init__(self, job: FeatureJob) -> None:
        import torch

        from ovseg_core.models.image_tower import ImageTower
        from ovseg_core.training.checkpoint import load_components

        self.job, self.settings = job, job.settings
        self.device, self.half = prepare(job.settings)
        tower = ImageTower(build(job.image, "model.image", ImageSettings))
        if job.components:
            load_components(tower, job.components)
        self.tower = tower.to(self.device).to(memory_format=torch.channels_last).eval()

    def __call__(self, shard: str) -> dict[str, int]:
        """Write the maps of one shard; returns its number of images and of those that were unusable."""
        import torch

        from ovseg_core.training.checkpoint import pack

        keys = shards.read_table(shard + ".parquet", columns=["key"])["key"].to_pylist()
        row = {key: number for number, key in enumerate(keys)}
        tensors = {"valid": torch.zeros(len(keys), dtype=torch.bool)}
        for some, pixels in self.batches(shard):
            rows = [row[key] for key in some]
            levels = self.maps(pixels)
            found = {f"level{number}": level for number, level in enumerate(levels)}
            for name, values in {**found, "mean": levels[-1].float().mean((2, 3))}.items():
                if name not in tensors:
                    tensors[name] = torch.zeros(len(keys), *values.shape[1:], dtype=values.dtype)
                tensors[name][rows] = values
            tensors["valid"][rows] = True
        note = {"fingerprint": self.job.stamps[shard]}
        files.write_bytes(map_path(self.job, shard), pack(tensors, note))
        bad = len(keys) - int(tensors["valid"].sum())
        return {"images": len(keys)} | ({"unusable_image": bad} if bad else {})

    def batches(self, shard: str) -> Any:
        """Keys and (B, S, S, 3) uint8 images of a shard, squeezed into the square as in training."""
        import numpy as np

        from ovseg_core.training.augment import View

        size = self.settings.size
        view = View(height=size, width=size, top=0, left=0, side=size, flipped=False)
        keys, images = [], []
        for raw in shards.whole_samples(shard):
            try:
                images.append(view.image(shards.decode_image(raw["jpg"])))
                keys.append(raw["__key__"])
            except (BadSample, KeyError):
                continue
            if len(images) == self.settings.batch_size:
                yield keys, np.stack(images)
                keys, images = [], []
        if images:
            yield keys, np.stack(images)

    def maps(self, images: Any) -> list[Any]:
        """(B, S, S, 3) uint8 -> half-precision maps, finest first."""
        import torch

        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            return [level.half().cpu() for level in self.tower.frozen_maps(pixels)]
