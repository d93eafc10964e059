"""The `ovseg` command: what a user calls besides `dvc repro`."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ovseg_core import params

PARAMS = Path("params.yaml")
SCORED = (
    "semantic",
    "bbox",
    "segm",
    "lvis",
    "lvis-fixed",
    "panoptic",
    "regions",
)  # TASKS, without loading it
CONVENTIONS = ("mmseg", "detectron2", "torchmetrics")  # of metrics.iou


def check(_args: argparse.Namespace) -> None:
    """Check every parameter and print what each run comes to."""
    from pipelines import settings

    values = params.read(PARAMS)
    for name, run in settings.resolve(values).items():
        also = ", ".join(reading for reading in run.evaluate["readings"] if reading != name)
        steps = run.train["train"]["steps"]
        print(f"{name}: {run.train['method']}, {steps} steps{f'; also read as {also}' if also else ''}")
    cells = (len(values["runs"]) + len(values["plus"])) * len(values["seeds"])
    print(f"{PARAMS} is sound: {cells} trainings, each on {len(values['benchmarks'])} benchmarks")


def recipe(args: argparse.Namespace) -> None:
    """Lay a recipe over params.yaml and show what it changes; without a name, list the recipes."""
    from pipelines import recipe as recipes

    if args.name is None:
        print("\n".join(recipes.names()))
        return
    over = recipes.edited(PARAMS)
    lines = recipes.apply([recipes.load(args.name)], PARAMS, args.set)
    print("\n".join(lines) if lines else f"{PARAMS} already says what {args.name} says")
    if lines and over:
        print(f"It held other changes already; to lay this over the committed file: git checkout {PARAMS}")


def repro(args: argparse.Namespace) -> None:
    """`dvc repro` with one Ray for all stages and, for the whole graph, trainings side by side: sooner."""
    from pipelines.cluster import ClusterSettings
    from pipelines.repro import reproduce

    sys.exit(reproduce(params.load(PARAMS, "cluster", ClusterSettings), args.stages))


def retry(args: argparse.Namespace) -> None:
    """Fetch the failed rows of the last download again; finished shards stay as they are."""
    from pipelines.download import DownloadSettings, retry_failed

    retry_failed(args.web, args.shards, params.load(PARAMS, "download", DownloadSettings))


def predict(args: argparse.Namespace) -> None:
    """Segment images by the names given."""
    from pipelines.predict import predict as run

    reading = {"background": args.background, "prompts": args.prompts, "centring": args.centring}
    others = ("cluster_weight", "short_side", "window", "overlap", "flip")
    reading |= {name: getattr(args, name) for name in others}
    reading["scales"] = tuple(args.scales)
    run(args.model, args.input, args.vocab, args.output, **reading)


def score(args: argparse.Namespace) -> None:
    """Score predictions of any system beside their truth: a table, and with --json every number."""
    from pipelines.score import score as run

    options = {"names": args.names, "convention": args.convention}
    run(args.task, args.predictions, args.truth, args.json, **options)


def evaluate(args: argparse.Namespace) -> None:
    """Score a model on a benchmark; without --benchmark, list the benchmarks."""
    from ovseg_core.benchmarks.registry import BENCHMARKS

    if not args.benchmark:
        print("\n".join(f"{name:<15} {entry.title}. {entry.layout}" for name, entry in BENCHMARKS.items()))
        return
    if not (args.model and args.data):
        raise params.ParamError("ovseg evaluate needs --model, --benchmark and --data")
    from pipelines.evaluate_command import evaluate as run

    reading = ("prompts", "background", "use_proposals", "short_side", "cluster_weight", "centring")
    given = {name: getattr(args, name) for name in (*reading, "batch_size", "threads", "workers", "num_gpus")}
    run(args.model, args.benchmark, args.data, names=args.names, out=args.output, **given)


def parse(args: argparse.Namespace) -> None:
    """Read captions from a file; write their nouns, adjectives, verbs, noun phrases and entities."""
    # Read when NumPy is loaded, here and in the workers: more threads than that only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ovseg_core.text.settings import ExtractSettings
    from pipelines.parse import LONGEST, How
    from pipelines.parse import parse as run

    settings = ExtractSettings(model=args.model, entities=args.entities, max_caption_chars=LONGEST)
    run(args.captions, args.output, How(settings=settings, forms=args.forms), args.column, args.workers)


def categories(args: argparse.Namespace) -> None:
    """Make a set of things and stuff: by name, from names, a benchmark or the corpus's own nouns."""
    from ovseg_core.text import categories as sets

    made = sets.union([sets.build(source, args.most) for source in args.source])
    args.output.write_text(sets.to_json(made), encoding="utf-8")
    print(f"{args.output}: {len(made['names'])} categories, {made['kinds'].count('thing')} of them things")


def train_tagger(args: argparse.Namespace) -> None:
    """Train the tagger that comes with the package from a treebank in CoNLL-U."""
    from ovseg_core.text.tagger_training import read_training_part, train

    train(read_training_part(args.treebank), args.output, args.seed)


def submit(args: argparse.Namespace) -> None:
    """Run the graph as a job on a Ray cluster and bring its results back."""
    from pipelines.submit import submit as run

    sys.exit(run(address=args.address, recipe=args.recipe, remote=args.remote))


def parser() -> argparse.ArgumentParser:
    """The command line with all its subcommands."""
    top = argparse.ArgumentParser(prog="ovseg", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        name = run.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    command(check)
    sub = command(recipe)
    sub.add_argument("name", nargs="?", help="a recipe's name or file")
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one more change, as train.lr=1e-3"
    )
    sub = command(repro)
    sub.add_argument("stages", nargs="*", help="and what they need, as of `dvc repro`; without: all")
    sub = command(retry)
    sub.add_argument("--web", type=Path, default=Path("data/web"))
    sub.add_argument("--shards", type=Path, default=Path("data/shards"))
    sub = command(predict)
    sub.add_argument("--model", type=Path, required=True, help="a folder models/RUN/SEED")
    sub.add_argument("--input", type=Path, required=True, help="an image or a folder of images")
    sub.add_argument(
        "--vocab", nargs="+", required=True, help='names; synonyms by comma, as "grass, lawn"; or a file'
    )
    sub.add_argument("--output", type=Path, required=True, help="folder for overlays, class maps and masks")
    sub.add_argument("--background", nargs="+", default=[], help="further names; what they win is background")
    sub.add_argument("--prompts", default="single", help="as evaluate.prompts")
    sub.add_argument("--centring", type=float, default=0.0, help="as evaluate.centring")
    sub.add_argument("--cluster-weight", type=float, default=0.0, help="as evaluate.cluster_weight")
    sub.add_argument(
        "--short-side",
        type=int,
        help="pixels; 0 keeps the images' size; that of the training images unless given",
    )
    sub.add_argument(
        "--window", type=int, help="side in pixels; larger images are read in windows that overlap"
    )
    sub.add_argument(
        "--overlap", type=float, default=0.5, help="share of a window that the next one covers again"
    )
    sub.add_argument(
        "--scales", type=float, nargs="+", default=[1.0], help="of that size; scores are averaged"
    )
    sub.add_argument("--flip", action="store_true", help="average the scores of the mirrored image, too")
    sub = command(score)
    sub.add_argument("--task", required=True, choices=SCORED)
    sub.add_argument(
        "--predictions", type=Path, required=True, help="a folder of PNG class maps, or JSON as COCO has it"
    )
    sub.add_argument("--truth", type=Path, required=True, help="likewise")
    sub.add_argument("--names", type=Path, help="semantic: a name a line, or JSON with names and kinds")
    sub.add_argument(
        "--convention", choices=CONVENTIONS, help="semantic: how IoU is averaged; mmseg unless given"
    )
    sub.add_argument("--json", type=Path, help="a file for every number, as shares from 0 to 1")
    sub = command(evaluate)
    sub.add_argument("--model", type=Path, help="a folder models/RUN/SEED")
    sub.add_argument(
        "--benchmark",
        help="its name, as voc21; regions:NAME for its segments without names; or a folder below --data",
    )
    sub.add_argument("--data", type=Path, help="the folder that holds it: see docs/benchmarks.md")
    sub.add_argument("--names", help="a file of class names to ask for instead")
    sub.add_argument("--output", type=Path, help="a folder for metrics.json, per_class.csv and a gallery")
    sub.add_argument("--prompts", default="single", help="1, 7 or 80 templates, or a set by name")
    sub.add_argument(
        "--background", default="benchmark", help="benchmark, none, names, names=sky,wall, or threshold=0.9"
    )
    asked = "none, clusters, or ground_truth"
    sub.add_argument("--regions", dest="use_proposals", default="predicted", help=asked)
    sub.add_argument("--short-side", type=int, help="images are resized to it, in pixels")
    sub.add_argument("--centring", type=float, default=0.0, help="as evaluate.centring")
    sub.add_argument("--cluster-weight", type=float, default=0.0, help="as evaluate.cluster_weight")
    sub.add_argument("--batch-size", type=int, default=8)
    sub.add_argument("--threads", type=int, default=2, help="of torch, per worker")
    sub.add_argument("--workers", type=int, default=1, help="above 1, images are spread over Ray")
    sub.add_argument("--num-gpus", type=float, default=0.0, help="per worker")
    sub = command(parse)
    sub.add_argument(
        "captions", help="txt (a caption a line), csv, tsv, jsonl, parquet, or a folder of shards"
    )
    sub.add_argument("--output", required=True, help="a parquet file: one row per caption, in their order")
    sub.add_argument(
        "--column", help="that holds the captions, where it is not called caption, text, alt or title"
    )
    sub.add_argument("--entities", default="mined", help="mined, ovsegmentor, or a file with a name a line")
    sub.add_argument("--model", default="lexicon", help="lexicon, or an installed spaCy model")
    words = sub.add_mutually_exclusive_group()
    words.add_argument("--lemmas", dest="forms", action="store_false", help="dictionary forms (the default)")
    words.add_argument("--forms", action="store_true", help="words as they are written, each time")
    sub.add_argument("--workers", type=int, default=1, help="processes")
    sub = command(categories)
    sub.add_argument(
        "source",
        nargs="+",
        help="coco-panoptic-133, coco-stuff-171, a text file with a name a line, a benchmark.json, or "
        "data/corpus/nouns.parquet; of several, a later one adds what the earlier ones lack",
    )
    sub.add_argument("--output", type=Path, required=True, help="a JSON file")
    sub.add_argument("--most", type=int, default=300, help="entities that are taken of a corpus")
    sub = command(train_tagger)
    sub.add_argument(
        "treebank", type=Path, help="a folder of Universal Dependencies: its *train.conllu is read"
    )
    sub.add_argument("--output", type=Path, required=True, help="a safetensors file")
    sub.add_argument("--seed", type=int, default=0)
    sub = command(submit)
    sub.add_argument("--address", default="http://127.0.0.1:8265", help="of the cluster's job server")
    sub.add_argument("--recipe", help="laid over params.yaml first")
    sub.add_argument("--remote", help="a DVC remote that both sides reach; results come back through it")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; a wrong parameter or input ends in one line, not in a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        sys.exit(f"ovseg: {error}")


if __name__ == "__main__":
    main()
