"""The principal components of a frozen backbone's last map, found in some of the training images."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ovseg_core import files
from pipelines import shard_map

if TYPE_CHECKING:
    from pipelines.features import FeatureJob
    from pipelines.shard_map import ActorResources

IMAGES = 1024  # that are looked at, evenly over the shards


def find_components(job: "FeatureJob", shards: list[str], resources: "ActorResources") -> None:
    """Write the file `job.components`. Needs a running Ray."""
    from ovseg_core.models.components import principal_components
    from ovseg_core.training.checkpoint import pack

    assert job.components
    per_shard = math.ceil(IMAGES / len(shards))
    sums = shard_map.map_shards(lambda: MapSums(job, per_shard), shards, resources, "components")
    rows, total, products = (sum(column) for column in zip(*sums, strict=True))
    found = principal_components(job.image["components"], rows, total, products)
    files.write_bytes(job.components, pack(found, {"fingerprint": fingerprint(job)}))


def fingerprint(job: "FeatureJob") -> str:
    """Of what the components are made from."""
    return files.fingerprint(IMAGES, list(job.stamps.values()))


class MapSums:
    """Sums over the last maps of the first images of a shard; a vector stands for 2 x 2 locations."""

    def __init__(self, job: "FeatureJob", images: int) -> None:
        from pipelines.features import FeatureMaker

        self.maker = FeatureMaker(replace(job, image={**job.image, "components": None}, components=None))
        self.images = images

    def __call__(self, shard: str) -> tuple[int, Any, Any]:
        """Number of vectors, their sum (C,), the sum of their outer products (C, C), in double precision."""
        import torch.nn.functional as F

        rows, seen = 0, 0
        total: Any = 0
        products: Any = 0
        for keys, pixels in self.maker.batches(shard):
            level = F.avg_pool2d(self.maker.maps(pixels)[-1].float(), 2)
            vectors = level.movedim(1, -1).flatten(0, 2)
            rows, total = rows + len(vectors), total + vectors.double().sum(0)
            products = products + (vectors.T @ vectors).double()
            seen += len(keys)
            if seen >= self.images:
                break
        return rows, total, products
