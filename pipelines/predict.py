"""`ovseg predict`: a trained model, images and names in; overlays, class maps and COCO masks out."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from ovseg_core import files, shards
from ovseg_core.evaluation import overlays
from ovseg_core.evaluation.predict import Predictor
from ovseg_core.evaluation.windows import Looks
from ovseg_core.methods.registry import Method
from ovseg_core.params import ParamError
from ovseg_core.records import BadSample
from ovseg_core.text.prompts import parse_classes
from ovseg_core.training.checkpoint import load_model, read_config

logger = logging.getLogger(__name__)
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def predict(
    model: Path | str,
    source: Path | str,
    vocab: Sequence[str],
    out: Path | str,
    *,
    background: Sequence[str] = (),
    prompts: str = "single",
    centring: float = 0.0,
    cluster_weight: float = 0.0,
    threads: int = 2,
    short_side: int | None = None,
    **looks: Any,
) -> dict[str, Any]:
    """Segment one image or every image of a folder.

    Writes for each image `{name}.overlay.png` (with a legend) and `{name}.classes.png` (16-bit, 0 background,
    k the k-th entry of the vocabulary), then `predictions.json` (COCO RLE) and `classes.json` (k -> name).

    Args:
        model: folder `models/{run}/{seed}`.
        vocab: entries with synonyms by comma, as `"grass, lawn"`; or one text file with an entry a line.
        background: further names that compete for the pixels; what they win is background.
        short_side: images are resized to it; None takes the size of the training images, 0 keeps theirs.
        looks: scales, flip, window, overlap, as in `windows.Looks`.

    Returns:
        `images`, and the number of those that could not be read by reason in `drops`.

    Raises:
        FileNotFoundError: when there is no image; ParamError: for an empty vocabulary.
    """
    torch.set_num_threads(threads)
    vocabulary, paths = parse_vocabulary(vocab), list_images(source)
    method = load_model(model)
    apart = [name for entry in background for name in parse_classes([entry])[0]]
    warn_of_unknown_words(method, [*(name for names in vocabulary for name in names), *apart])
    side = read_config(model).get("size")  # of the training images; a model from elsewhere may not say
    how = Looks(short_side=(side if short_side is None else short_side) or None, **looks)
    predictor = Predictor(cast(Method, method), vocabulary, apart, prompts, how, centring, cluster_weight)
    masks: list[dict[str, Any]] = []
    drops: Counter[str] = Counter()
    for path, name in tqdm(list(zip(paths, output_names(paths), strict=True)), desc="predict", unit="image"):
        try:
            masks += _one(predictor, path, name, out)
        except BadSample as error:
            drops[error.reason] += 1
            logger.warning("%s left out: %s", path, error)
    files.write_json(files.join(out, "predictions.json"), masks)
    files.write_json(files.join(out, "classes.json"), dict(enumerate(predictor.names)))
    done = len(paths) - drops.total()
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items())) or "nothing"
    logger.info("%d images segmented into %s; left out: %s", done, out, left_out)
    return {"images": done, "drops": dict(drops)}


def parse_vocabulary(vocab: Sequence[str]) -> list[list[str]]:
    """`["dog", "grass, lawn"]`, or one text file with an entry a line -> synonyms per entry."""
    entries = list(vocab)
    if len(entries) == 1 and Path(entries[0]).is_file():
        entries = [line for line in Path(entries[0]).read_text(encoding="utf-8").splitlines() if line.strip()]
    if not entries:
        raise ParamError(f"--vocab is {list(vocab)!r}; it needs at least one name")
    try:
        return parse_classes(entries)
    except ValueError as error:
        raise ParamError(f"--vocab: {error}") from error


def list_images(source: Path | str) -> list[str]:
    """The image itself, or the images of a folder by name."""
    if not files.exists(source):
        raise FileNotFoundError(f"{source} is missing; it has to be an image or a folder of images")
    if not files.is_url(source) and Path(source).is_file():
        return [str(source)]
    found = [path for path in files.listing(source, "") if Path(path).suffix.lower() in SUFFIXES]
    if not found:
        raise FileNotFoundError(f"{source} holds no image; known suffixes: {', '.join(sorted(SUFFIXES))}")
    return found


def output_names(paths: Sequence[str]) -> list[str]:
    """Names of the outputs: the file's name without its suffix, with it where two differ only there."""
    stems = Counter(Path(path).stem for path in paths)
    return [Path(path).stem if stems[Path(path).stem] == 1 else Path(path).name for path in paths]


def warn_of_unknown_words(method: torch.nn.Module, names: Sequence[str]) -> None:
    """A text tower that was trained here knows the words of its captions and no others."""
    knows = getattr(getattr(method, "text", None), "knows", None)
    if knows and (unknown := [name for name in names if not knows(name)]):
        logger.warning(
            "%s: no caption that this model was trained on says so; what it answers for them means nothing",
            ", ".join(map(repr, unknown)),
        )


def _one(predictor: Predictor, path: str, name: str, out: Path | str) -> list[dict[str, Any]]:
    image = shards.decode_image(files.read_bytes(path))
    prediction = predictor(image)
    drawn = overlays.png(predictor.draw(image, prediction))
    files.write_bytes(files.join(out, f"{name}.overlay.png"), drawn)
    files.write_bytes(files.join(out, f"{name}.classes.png"), overlays.png16(prediction.labels))
    return predictor.coco(prediction, Path(path).name)
