"""S-Seg+: a trained run labels images pixel by pixel, for a second model to learn from.

What it writes is a corpus of labelled shards like that of the stages before, with a confidence beside every
label, so that training reads it as it reads human masks. A new threshold never runs the model again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch

from ovseg_core import files, shards
from ovseg_core.benchmarks.background import with_background
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.benchmarks.folder import read
from ovseg_core.benchmarks.training_images import training_images
from ovseg_core.evaluation import inference
from ovseg_core.evaluation.argmax import best_class
from ovseg_core.evaluation.settings import EvalSettings
from ovseg_core.methods.registry import Method, Regions
from ovseg_core.params import build, check
from ovseg_core.records import BadSample, Segments
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import load_model, read_config
from ovseg_core.training.identity import CODE, code_fingerprint
from pipelines import cluster, shard_map
from pipelines.cluster import ClusterSettings
from pipelines.self_label_settings import SHARDS, SelfLabelSettings
from pipelines.shard_map import ActorResources

Source = str | list[str]  # a shard without suffix, or paths of images
DECIDE = ("use_proposals", "prompts", "short_side", "centring", "batch_size")  # of a reading, besides queries


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


def label(
    given: Mapping[str, Any],
    model: Path | str,
    benchmarks: Path | str,
    folder: Path | str,
    out: Path | str,
    ray: ClusterSettings,
    log: RunLog,
) -> None:
    """Label the images that `given` (label.json) names, unless the same model has labelled them.

    Args:
        model: folder of the trained run; benchmarks: folder of all benchmarks; folder: of the shards.
        out: becomes a data folder that training reads: corpus, labelled, features.

    Raises:
        CheckpointError: for an unusable model folder. BenchmarkError: for images or classes that are missing.
        ParamError: when more than `max_bad` of the images cannot be decoded.
    """
    job = make_job(given, model, benchmarks, folder, out)
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
    log.unit = "images"
    for report in reports:
        log.items += report.pop("images")
        log.drops.update(report)
    log.facts |= {"shards": len(missing), "shards_kept": len(job.stamps) - len(missing)}
    shard_map.check_drops(log, "self_label", job.settings.max_bad)
    write_corpus(job)


def make_job(
    given: Mapping[str, Any],
    model: Path | str,
    benchmarks: Path | str,
    folder: Path | str,
    out: Path | str,
) -> Job:
    """The job with the fingerprint of every shard: its images, the model, its reading, what is asked for."""
    settings = build(given["label"], "self_label", SelfLabelSettings)
    reading = build(given["reading"], "evaluate", EvalSettings)
    read_config(model)  # says what is wrong where the run was never trained, or its folder is gone
    weights = files.digest(files.join(model, "model.safetensors"))
    classes = files.join(benchmarks, settings.benchmark)
    asked = classes_of(classes, reading, settings)
    sources = sources_of(settings, folder)
    common = [weights, asked.queries, asked.names, settings.below]
    common += [getattr(reading, name) for name in DECIDE]
    common.append(code_fingerprint((*CODE, "evaluation", "benchmarks")))
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


def sources_of(settings: SelfLabelSettings, folder: Path | str) -> dict[str, Source]:
    """What to label, by the name of the shard that is written."""
    if settings.images == SHARDS:
        listed = shards.list_shards(folder)
        check(bool(listed), "self_label.images", SHARDS, f"a folder of images: {folder} has no shard")
        return {shards.name_of(shard): files.absolute(shard) for shard in listed}
    paths = [files.absolute(path) for path in training_images(settings.images)]
    size = settings.shard_size
    return {f"{first // size:05d}": paths[first : first + size] for first in range(0, len(paths), size)}


def content_of(source: Source) -> Any:
    """What the labels of a shard depend on."""
    if isinstance(source, str):
        return files.digest(source + ".parquet")  # it holds a hash of every image
    return [files.digest(path) for path in source]  # wherever they lie


def size_of(source: Source) -> int:
    """How many images a source names; a tar that was cut holds fewer."""
    if isinstance(source, str):
        return len(shards.read_table(source + ".parquet", columns=["key"]))
    return len(source)


def table_path(job: Job, name: str) -> str:
    """The table of a labelled shard, written last."""
    return files.join(job.out, "labelled", name + ".parquet")


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


class SelfLabeller:
    """A trained method and the classes of a benchmark, called with the name of one shard after another."""

    @torch.inference_mode()
    def __init__(self, job: Job) -> None:
        self.job, self.reading = job, job.reading
        torch.set_num_threads(max(1, int(job.settings.num_cpus)))
        self.device = "cuda" if job.settings.num_gpus else "cpu"
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
        for batch in self.batches(shard, drops):
            images += len(batch)
            for raw, members, words in self.label(batch):
                row = {"key": raw["__key__"], "shard": shard, "row": len(rows), "labelled": True}
                rows.append({**row, "words": words, "parts": ["noun"] * len(words)})
                samples.append({"__key__": raw["__key__"], "jpg": raw["jpg"], **members})
        lost = size_of(self.job.sources[shard]) - images - drops.total()
        if lost > 0:
            drops["missing_sample"] = lost
        folder = files.join(self.job.out, "labelled")
        shards.write_tar(files.join(folder, shard + ".tar"), samples)
        table = pa.Table.from_pylist(rows, schema=SAMPLES)
        shards.write_table(table_path(self.job, shard), table, self.job.stamps[shard])
        return {"images": images + drops.total(), **drops}

    def batches(self, name: str, drops: Counter[str]) -> Iterator[list[tuple[dict[str, Any], np.ndarray]]]:
        """Raw samples with their images, batch by batch; what cannot be decoded is counted in `drops`."""
        batch: list[tuple[dict[str, Any], np.ndarray]] = []
        for raw in raw_samples(name, self.job.sources[name]):
            try:
                batch.append((raw, shards.decode_sample(raw).image))
            except BadSample as error:
                drops[error.reason] += 1
            if len(batch) == self.reading.batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    @torch.inference_mode()
    def label(
        self, batch: Sequence[tuple[dict[str, Any], np.ndarray]]
    ) -> list[tuple[dict[str, Any], dict[str, bytes], list[str]]]:
        """Each raw sample with its new members and the classes found; images of one size together."""
        same_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, (_, image) in enumerate(batch):
            same_size[image.shape].append(index)
        found: dict[int, tuple[dict[str, bytes], list[str]]] = {}
        for (height, width, _), indices in same_size.items():
            images = inference.to_input(
                [batch[index][1] for index in indices], self.reading.short_side, self.device
            )
            regions = cast(Regions, self.reading.use_proposals)
            scores = inference.class_scores(self.method, images, self.queries, regions, self.reading.centring)
            for index, score in zip(indices, scores, strict=True):
                shares = (score[self.classes] / self.temperature).softmax(0)
                place, sure = best_class(shares, (height, width))
                found[index] = self.members(place.cpu().numpy(), sure.cpu().numpy())
        return [(raw, *found[index]) for index, (raw, _) in enumerate(batch)]

    def members(self, place: np.ndarray, sure: np.ndarray) -> tuple[dict[str, bytes], list[str]]:
        """(H, W) classes and probabilities as members of a labelled sample, and the names in it."""
        present = np.flatnonzero(np.bincount(place.ravel(), minlength=len(self.names)))
        names = [self.names[index] for index in present]
        number = np.zeros(len(self.names), np.uint16)
        number[present] = np.arange(1, len(present) + 1)
        below = 0
        if self.job.settings.below == "background":
            names = names if self.background in names else [*names, self.background]
            below = names.index(self.background) + 1
        segments = shards.encode_segments(Segments(ids=number[place], names=names))
        return segments | shards.encode_confidence(sure.clip(0, 1), below), names


SAMPLES = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("labelled", pa.bool_()),
        ("words", pa.list_(pa.string())),
        ("parts", pa.list_(pa.string())),
    ]
)


def raw_samples(name: str, source: Source) -> Iterator[dict[str, Any]]:
    """Key and bytes of every image of a source."""
    if isinstance(source, str):
        yield from ({"__key__": raw["__key__"], **_image(raw)} for raw in shards.whole_samples(source))
        return
    for row, path in enumerate(source):
        yield {"__key__": f"{name}{row:04d}", "jpg": files.read_bytes(path)}


def _image(raw: Mapping[str, Any]) -> dict[str, bytes]:
    return {"jpg": raw["jpg"]} if "jpg" in raw else {}
