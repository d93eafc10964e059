"""The actor's side of self-labelling: one shard of images in, a labelled shard out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch

from ovseg_core import files, shards
from ovseg_core.benchmarks.background import with_background
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.benchmarks.folder import read
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.argmax import best_class
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method, Regions
from ovseg_core.params import check
from ovseg_core.records import Segments
from ovseg_core.training.checkpoint import load_model
from pipelines.actor_device import prepare
from pipelines.self_label_settings import SelfLabelSettings

Source = str | list[str]  # a shard without suffix, or paths of images
SAMPLES = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("labelled", pa.bool_()),
        ("words", pa.list_(pa.string())),
        ("parts", pa.list_(pa.string())),
        ("confidence", pa.float32()),  # of the pixel that is surest; 1 where unsure ones are background
    ]
)


@dataclass(frozen=True)
class Job:
    """What a labelling actor needs to know. Plain values: weights never travel with a task."""

    model: str
    benchmark: str  # its folder
    reading: EvalSettings  # how the model is read
    out: str  # the corpus
    sources: dict[str, Source]  # by the name of the shard that is written
    stamps: dict[str, str]  # fingerprint of what a shard's labels are made from
    settings: SelfLabelSettings


def classes_of(folder: str, reading: EvalSettings, settings: SelfLabelSettings) -> Benchmark:
    """The benchmark under the reading's rule for its background."""
    benchmark = with_background(read(folder), reading.background)
    check(
        settings.below == "void" or benchmark.background is not None,
        "self_label.below",
        settings.below,
        f"void: {benchmark.name} has no background",
    )
    return benchmark


def table_path(job: Job, name: str) -> str:
    """The table of a labelled shard, written last."""
    return files.join(job.out, "labelled", name + ".parquet")


class SelfLabeller:
    """A trained method and the classes of a benchmark, called with the name of one shard after another."""

    @torch.inference_mode()
    def __init__(self, job: Job) -> None:
        self.job, self.reading = job, job.reading
        self.device, self.half = prepare(job.settings)
        self.method = cast(Method, load_model(job.model).to(self.device))
        benchmark = classes_of(job.benchmark, job.reading, job.settings)
        self.classes = [index for index, names in enumerate(benchmark.queries) if names]
        self.names = [benchmark.title(index) for index in self.classes]
        self.background = benchmark.title(benchmark.background.index) if benchmark.background else ""
        self.queries = inference.embed_classes(self.method, benchmark.queries, job.reading.prompts)
        self.temperature = inference.temperature_of(self.method)

    def __call__(self, shard: str) -> dict[str, int]:
        """Write the shard of that name; returns its number of images and the drops by reason."""
        drops: Counter[str] = Counter()
        samples: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        images = 0
        raws = raw_samples(shard, self.job.sources[shard])
        for batch in shards.decoded_batches(raws, self.reading.batch_size, drops):
            images += len(batch)
            for raw, members, row in self.label(batch):
                place = {"key": raw["__key__"], "shard": shard, "row": len(rows), "labelled": True}
                rows.append({**place, **row, "parts": ["noun"] * len(row["words"])})
                samples.append({"__key__": raw["__key__"], "jpg": raw["jpg"], **members})
        lost = size_of(self.job.sources[shard]) - images - drops.total()
        if lost > 0:
            drops["missing_sample"] = lost
        folder = files.join(self.job.out, "labelled")
        shards.write_tar(files.join(folder, shard + ".tar"), samples)
        table = pa.Table.from_pylist(rows, schema=SAMPLES)
        report = {"images": images + drops.total(), **drops}
        shards.write_table(table_path(self.job, shard), table, self.job.stamps[shard], report)
        return report

    @torch.inference_mode()
    def label(
        self, batch: Sequence[tuple[dict[str, Any], np.ndarray]]
    ) -> list[tuple[dict[str, Any], dict[str, bytes], dict[str, Any]]]:
        """Each raw sample with its new members and its row; images of one size together."""
        same_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (_, image) in enumerate(batch):
            same_size[image.shape].append(index)
        found: dict[int, tuple[dict[str, bytes], dict[str, Any]]] = {}
        for (height, width, _), indices in same_size.items():
            images = inference.to_input(
                [batch[index][1] for index in indices], self.reading.short_side, self.device
            )
            regions = cast(Regions, self.reading.use_proposals)
            how = self.reading.centring, self.reading.cluster_weight
            with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
                scores = inference.class_scores(self.method, images, self.queries, regions, *how)
            for index, score in zip(indices, scores, strict=True):
                shares = (score[self.classes] / self.temperature).softmax(0)
                place, sure = best_class(shares, (height, width))
                found[index] = self.members(place.cpu().numpy(), sure.cpu().numpy())
        return [(raw, *found[index]) for index, (raw, _) in enumerate(batch)]

    def members(self, place: np.ndarray, sure: np.ndarray) -> tuple[dict[str, bytes], dict[str, Any]]:
        """(H, W) classes and probabilities as members of a labelled sample; its row: classes, confidence."""
        present = np.flatnonzero(np.bincount(place.ravel(), minlength=len(self.names)))
        names = [self.names[index] for index in present]
        number = np.zeros(len(self.names), np.uint16)
        number[present] = np.arange(1, len(present) + 1)
        below = 0
        if self.job.settings.below == "background":
            names = names if self.background in names else [*names, self.background]
            below = names.index(self.background) + 1
        segments = shards.encode_segments(Segments(ids=number[place], names=names))
        best = 1.0 if below else float(sure.max())  # an unsure pixel says nothing, or background
        row = {"words": names, "confidence": best}
        return segments | shards.encode_confidence(sure.clip(0, 1), below), row


def size_of(source: Source) -> int:
    """How many images a source names; a tar that was cut holds fewer."""
    if isinstance(source, str):
        return len(shards.read_table(source + ".parquet", columns=["key"]))
    return len(source)


def raw_samples(name: str, source: Source) -> Iterator[dict[str, Any]]:
    """Key and bytes of every image of a source."""
    if isinstance(source, str):
        yield from ({"__key__": raw["__key__"], **_image(raw)} for raw in shards.whole_samples(source))
        return
    for row, path in enumerate(source):
        yield {"__key__": f"{name}{row:04d}", "jpg": files.read_bytes(path)}


def _image(raw: Mapping[str, Any]) -> dict[str, bytes]:
    return {"jpg": raw["jpg"]} if "jpg" in raw else {}
