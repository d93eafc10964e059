"""A small project as the stages leave it: all that the page reads, with numbers to check by hand."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from ovseg_core import files, shards
from ovseg_core.masks import rle

SIDE = 24
NAMES = ["fish", "star", "cup", "sand", "sea"]
KINDS = ["thing", "thing", "thing", "stuff", "stuff"]
COLOURS = ["#3366aa", "#dd7744", "#44aa66", "#c8b070", "#55aacc"]
HOSTILE = 'A <script>alert("x")</script> red fish & two stars $\\frac{1}{2}$'
PARAMS = {
    "runs": {
        "openseg": {
            "method": "openseg",
            "readings": {
                "openseg-no-proposals": {"use_proposals": "none"},
                "openseg-true-masks": {"use_proposals": "ground_truth"},
            },
        },
        "clip_dense": {"method": "clip_dense", "data": {"labelled": 0.0, "pseudo": None}},
    },
    "seeds": [0, 1],
    "benchmarks": ["toy-val", "toy-test"],
}


def write_project(root: Path, content: dict, side: int = SIDE, scenes: int = 6) -> None:
    """Everything under `root`, for the runs, seeds and benchmarks of `content`."""
    write_data(root, side, scenes)
    for number, (run, entry) in enumerate(content["runs"].items()):
        for seed in content["seeds"]:
            write_curves(root / "models" / run / str(seed), number, seed)
            write_log(root, f"train-{run}-{seed}", items=300, seconds=30.0)
            for benchmark in content["benchmarks"]:
                folder = root / "reports/runs" / run / str(seed) / benchmark
                write_evaluation(folder, [run, *entry.get("readings", {})], number, seed, side)


def scene(seed: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc on two backgrounds: (side, side, 3) uint8 and its class map."""
    rng = np.random.default_rng(seed)
    labels = Image.new("L", (side, side), 3)
    draw = ImageDraw.Draw(labels)
    draw.rectangle((0, side * 6 // 10, side, side), fill=4)
    left, top = rng.integers(0, side // 2, 2).tolist()
    draw.ellipse((left, top, left + side // 2, top + side // 2), fill=seed % 3)
    found = np.asarray(labels)
    return (paint(found) * 0.8 + rng.integers(0, 50, (side, side, 3))).clip(0, 255).astype(np.uint8), found


def paint(labels: np.ndarray) -> np.ndarray:
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS])
    return palette[labels].astype(np.uint8)


def encode(image: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def write_data(root: Path, side: int, scenes: int) -> None:
    keys = [f"00000{row:04d}" for row in range(scenes)]
    drawn = [scene(row, side) for row in range(scenes)]
    captions = [HOSTILE, *(f"a photo of a red {NAMES[row % 3]} by the sea" for row in range(1, scenes))]
    shards.write_tar(
        root / "data/shards/00000.tar",
        [
            {"__key__": key, "jpg": encode(image, "JPEG"), "txt": caption.encode(), "json": b"{}"}
            for key, (image, _), caption in zip(keys, drawn, captions, strict=True)
        ],
    )
    words = [["red fish", "fish", "star"], *([NAMES[row % 3], "red", "sea"] for row in range(1, scenes))]
    nouns = [["fish", "star"], *([NAMES[row % 3], "sea"] for row in range(1, scenes))]
    empty: list[list[str]] = [[] for _ in keys]
    text = {"key": keys, "nouns": nouns, "adjectives": [["red"]] * scenes, "verbs": empty}
    shards.write_table(
        root / "data/text/00000.parquet", pa.table(text | {"noun_phrases": empty, "entities": empty})
    )
    samples = {"key": keys, "shard": ["00000"] * scenes, "row": range(scenes), "labelled": [False] * scenes}
    shards.write_table(root / "data/corpus/samples.parquet", pa.table(samples | {"words": words}))
    write_masks(root, keys, [labels for _, labels in drawn])
    write_corpus(root)
    chosen = {"noun": ["fish", "day"], "documents": [5, 3], "entity": [True, False], "reason": ["", "time"]}
    shards.write_table(root / "data/corpus/nouns.parquet", pa.table(chosen))
    files.write_bytes(root / "data/web/world.png", encode(np.hstack([image for image, _ in drawn])))
    things, stuff = NAMES[:3], NAMES[3:]
    world = {
        "source": "toy",
        "things": things,
        "stuff": stuff,
        "held_out": [["red", "cup"]],
        "fingerprint": "ab" * 16,
    }
    files.write_json(root / "data/web/world.json", world)


def write_masks(root: Path, keys: list[str], maps: list[np.ndarray]) -> None:
    rows = []
    for key, labels in zip(keys, maps, strict=True):
        masks = rle.encode(np.stack([labels < 3, labels == 3, labels == 4, labels < 3]))
        scores = [0.91, 0.72, 0.55, 0.40]  # the last one repeats the first: suppressed
        found = [
            {"counts": m["counts"], "score": s, "box": [0.0] * 4} for m, s in zip(masks, scores, strict=True)
        ]
        rows.append({"key": key, "size": list(labels.shape), "masks": found})
    shards.write_table(root / "data/pseudo/masks/00000.parquet", pa.Table.from_pylist(rows), "teacher")


def write_corpus(root: Path) -> None:
    steps = [
        {"name": "download", "in": 1000, "out": 900, "drops": {"http_404": 60, "undecodable_image": 40}},
        {"name": "duplicates", "in": 900, "out": 880, "drops": {"exact_duplicate": 20}},
        {"name": "captions", "in": 880, "out": 800, "drops": {"no_words": 50, "near_duplicate": 30}},
    ]
    labelled = {"name": "not in a benchmark", "in": 120, "out": 119, "drops": {"leaked": 1}}
    files.write_json(root / "data/corpus/funnel.json", {"steps": steps, "labelled": labelled})
    files.write_json(root / "data/corpus/leaks.json", {"toy-val": [], "toy-test": []})
    vocabulary = [
        {"word": "fish", "part": "noun", "documents": 400, "kept": True, "reason": ""},
        {"word": "star", "part": "noun", "documents": 300, "kept": True, "reason": ""},
        {"word": "$\\alpha$<b>", "part": "noun", "documents": 3, "kept": False, "reason": "rare"},
        {"word": "red", "part": "adjective", "documents": 250, "kept": True, "reason": ""},
        {"word": "red fish", "part": "phrase", "documents": 90, "kept": True, "reason": ""},
    ]
    shards.write_table(root / "data/corpus/vocabulary.parquet", pa.Table.from_pylist(vocabulary))
    rows = (
        [("success", None, 1)] * 90
        + [("failed", "http_404", 2)] * 6
        + [("failed", "undecodable_image", 1)] * 4
    )
    status, reason, attempts = zip(*rows, strict=True)
    ledger = {"url": [f"http://127.0.0.1/{i}.jpg" for i in range(100)], "status": status, "reason": reason}
    shards.write_table(root / "data/shards/ledger.parquet", pa.table(ledger | {"attempts": attempts}))
    write_log(root, "download", items=1000, seconds=20.0, drops={"http_404": 60})
    write_log(root, "curate", items=900, seconds=4.0)


def write_log(root: Path, name: str, items: int, seconds: float, drops: dict | None = None) -> None:
    content = {"stage": name, "items": items, "unit": "images", "seconds": seconds, "startup_s": 2.0}
    rate = items / (seconds - 2.0)
    files.write_json(root / "logs" / f"{name}.json", content | {"per_second": rate, "drops": drops or {}})


def write_curves(folder: Path, number: int, seed: int) -> None:
    steps = np.arange(10, 310, 10)
    for loss, start in (("loss", 8.0), ("grounding", 5.0)):
        values = start * np.exp(-steps / (90 + 40 * number)) + 0.1 * np.random.default_rng(seed).random(
            len(steps)
        )
        lines = [
            f"step\t{loss}",
            *(f"{step}\t{value:.4f}" for step, value in zip(steps, values, strict=True)),
        ]
        files.write_bytes(folder / "curves" / f"{loss}.tsv", ("\n".join(lines) + "\n").encode())

    losses = {"loss": 3.0 + seed, "grounding": 2.0}
    summary = {
        "parameters": 1200,
        "trained_parameters": 1000,
        "steps": 300,
        "images": 28800,
        "precision": "bf16",
    }
    files.write_json(folder / "config.json", {"method": "openseg", "corpus": "ef" * 16})
    files.write_json(folder / "summary.json", summary | {"losses": losses, "drops": {}, "workers": 1})


def write_evaluation(folder: Path, readings: list[str], number: int, seed: int, side: int) -> None:
    """Reading r of run n scores 60 - 10 n - 5 r, and 2 more with seed 1."""
    found = {}
    rows = []
    for r, reading in enumerate(readings):
        base = 60.0 - 10 * number - 5 * r + 2 * seed
        found[reading] = {
            "miou": base, "miou_thing": base - 8, "miou_stuff": base + 20, "miou_held_out_thing": base - 30,
            "grounding_miou": base + 10, "recall_50": base, "recall_70": base - 20, "recall_90": base - 40,
        }  # fmt: skip
        rows += [
            [reading, n, k, base + 3 * i, 100 - i] for i, (n, k) in enumerate(zip(NAMES, KINDS, strict=True))
        ]
    found[readings[0]] |= {"probe_thing_top1": 40.0, "probe_stuff_top1": 90.0, "probe_chance": 20.0}
    protocol = {"classes": 5, "background": None, "text": "all names queried; original size"}
    model = {"run": readings[0], "seed": seed, "corpus": "ef" * 16, "fingerprint": "0" * 32}
    model["unread_names"] = ["zebra", "oven"]
    content = {"protocol": protocol, "fingerprint": "cd" * 16, "model": model, "readings": found}
    files.write_json(folder / "metrics.json", content)
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["reading", "class", "kind", "iou", "pixels"], *rows])
    files.write_bytes(folder / "per_class.csv", buffer.getvalue().encode())
    write_counts(folder / "per_image.parquet", readings, number)
    write_gallery(folder / "gallery", readings, side)


def write_counts(path: Path, readings: list[str], number: int, images: int = 8) -> None:
    """Two classes in each image, ten pixels each; run n and reading r have 6 - n - r / 2 of them right."""
    rows = [
        {"reading": reading, "metric": metric, "image": f"i{image}", "class": label, "kind": kind, "true": 10,
         "hits": int(6 - number - r / 2 + image % 2), "predicted": 10}
        for r, reading in enumerate(readings) for metric in ("miou", "grounding_miou")
        for image in range(images) for label, kind in enumerate(("thing", "stuff"))
    ]  # fmt: skip
    shards.write_table(path, pa.Table.from_pylist(rows))


def write_gallery(folder: Path, readings: list[str], side: int) -> None:
    ids = ["000007", "000008", "000009"]
    legend = [{"name": name, "color": colour} for name, colour in zip(NAMES, COLOURS, strict=True)]
    files.write_json(folder / "index.json", {"ids": ids, "readings": readings, "legend": legend})
    for number in ids:
        image, labels = scene(int(number), side)
        files.write_bytes(folder / f"{number}.image.png", encode(image))
        for name in ("truth", *readings):
            files.write_bytes(folder / f"{number}.{name}.png", encode(paint(labels)))
