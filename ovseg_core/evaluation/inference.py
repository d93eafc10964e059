"""From a trained method and names to class maps.

Shape letters: B images of one size; T texts asked for; C classes, each with one or several texts; M regions
of an image; H, W image size in pixels; h, w size of a score map; N, P, D texts, prompts, joint width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg_core.benchmarks.benchmark import VOID, classes_in
from ovseg_core.evaluation.argmax import best_class
from ovseg_core.masks.pooling import match_size, pool
from ovseg_core.methods.registry import Method, Regions
from ovseg_core.params import ParamError
from ovseg_core.text.prompts import expand

MASKS = 4  # that are upsampled at a time


@dataclass(frozen=True)
class Queries:
    """What a model is asked for: every synonym of every class, embedded once for a whole benchmark."""

    embeddings: Tensor  # (T, D), unit length, the texts of one class after those of another
    num_texts: list[int]  # of each of the C classes; a class with none is never predicted


@dataclass(frozen=True)
class Remainder:
    """Pixels whose highest probability is below the threshold go to class `index` (GroupViT, OVSegmentor).

    A probability is the softmax over the classes asked for, at the size of the score map.
    """

    index: int
    threshold: float
    temperature: float  # of that softmax


def embed_classes(method: Method, names: Sequence[Sequence[str]], prompts: str) -> Queries:
    """Embed the synonyms of every class. The prompts of one name are averaged, its synonyms stay apart.

    Raises:
        ParamError: for a method that proposes masks and knows no names.
    """
    if not hasattr(method, "embed_text"):
        raise ParamError(
            f"{type(method).__name__} knows no names, it only proposes masks; what is evaluated or predicts "
            "has to be a method with a text tower"
        )
    texts = [name for synonyms in names for name in synonyms]
    expanded = [expand(text, prompts) for text in texts]
    flat = method.embed_text([prompt for group in expanded for prompt in group])
    means = torch.stack([part.mean(0) for part in flat.split([len(group) for group in expanded])])
    return Queries(F.normalize(means, dim=-1), [len(synonyms) for synonyms in names])


def class_scores(
    method: Method,
    images: Tensor,
    queries: Queries,
    regions: Regions,
    centring: float = 0.0,
    cluster_weight: float = 0.0,
) -> Tensor:
    """(B, 3, H, W) images in [0, 1] -> (B, C, h, w) float32 scores, per class the best of its synonyms.

    OpenSeg includes every name of a class and takes the argmax over all of them (Sec. 3.4, App. I).
    `cluster_weight` adds what the image's own clusters say, small and large ones, to what its predicted
    regions say: a large region is named after what strikes most in it, its parts are not. It has no effect on
    methods that predict no regions.
    `centring` takes that share of a word's mean score in the image off its map: a word that scores
    everywhere a little says nothing about where. A class without texts scores -inf.

    Raises:
        FloatingPointError: when a score is not a number: every pixel would fall to the first class.
    """
    scores = method.score_maps(images, queries.embeddings, regions).float()
    predicted = isinstance(regions, str) and regions == "predicted" and hasattr(method, "proposals")
    if cluster_weight and predicted:
        clusters = method.score_maps(images, queries.embeddings, "clusters").float()
        if clusters.shape != scores.shape:
            clusters = F.interpolate(clusters, scores.shape[2:], mode="bilinear", align_corners=False)
        scores = scores + cluster_weight * clusters
    if not scores.sum().isfinite():  # a sum, since looking at each of C x h x w takes as long as a backbone
        raise FloatingPointError("the model's scores are not finite: its weights or its input are broken")
    if centring:
        scores = scores - centring * scores.mean((2, 3), keepdim=True)
    if set(queries.num_texts) == {1}:
        return scores
    best = scores.new_full((len(scores), len(queries.num_texts), *scores.shape[2:]), -torch.inf)
    for index, part in enumerate(scores.split(queries.num_texts, dim=1)):
        if part.shape[1]:
            best[:, index] = part.amax(1)
    return best


def class_map(
    scores: Tensor, size: tuple[int, int], classes: Sequence[int], remainder: Remainder | None = None
) -> np.ndarray:
    """(C, h, w) scores -> (H, W) uint16: of `classes`, the one with the highest score at each pixel.

    The scores are brought to `size` bilinearly before they are compared. Restricted to the classes of an
    image's truth, this is what Grounding mIoU asks for: a score does not depend on what else is queried.
    `remainder` gives pixels that no class is sure of to a class of their own.
    """
    if not classes:
        return np.full(size, VOID, np.uint16)
    chosen = scores if list(classes) == list(range(len(scores))) else scores[list(classes)]
    if remainder:
        chosen = (chosen / remainder.temperature).softmax(0)
    place, best = best_class(chosen, size)
    labels = np.asarray(classes, np.uint16)[place.cpu().numpy()]
    if remainder:
        labels[(best < remainder.threshold).cpu().numpy()] = remainder.index
    return labels


def temperature_of(method: Method) -> float:
    """The temperature that a method learnt, or was given, to divide its scores by; 1 where it has none."""
    learnt = getattr(method, "log_temperature", None)
    if learnt is None:
        return float(getattr(method, "temperature", 1.0))
    return max(0.01, float(learnt.detach().exp()))  # CLIP's bound


def truth_regions(truths: Sequence[np.ndarray], size: Sequence[int]) -> Tensor:
    """(B, M, H, W) bool regions at the size of the model's input: one for each class of each class map.

    In the order of the labels; an image with fewer regions than M ends in empty ones.
    """
    labels = [classes_in(truth) for truth in truths]
    regions = torch.zeros(len(truths), max([1, *map(len, labels)]), *size, dtype=torch.bool)
    for row, truth, present in zip(regions, truths, labels, strict=True):
        whole = torch.from_numpy(truth.astype(np.float32))[None, None]
        small = F.interpolate(whole, list(size), mode="nearest-exact")[0, 0]
        for mask, label in zip(row, present, strict=False):
            mask.copy_(small == label)
    return regions


def region_scores(scores: Tensor, regions: Tensor, classes: Sequence[int]) -> np.ndarray:
    """(B, C, h, w) scores averaged over (B, M, H, W) regions -> (B, M, C); -inf outside `classes`."""
    chosen = list(classes)
    pooled = scores.new_full((*regions.shape[:2], scores.shape[1]), -torch.inf)
    pooled[:, :, chosen] = pool(scores[:, chosen], match_size(regions, scores))
    return pooled.cpu().numpy()


def proposal_masks(probabilities: Tensor, size: tuple[int, int], are_partition: bool = False) -> np.ndarray:
    """(N, h, w) mask probabilities -> (N, H, W) bool, on where the upsampled one is above one half.

    Of groups that share out the image (`are_partition`), where it is the highest of all.
    """
    if are_partition and len(probabilities):
        numbers = torch.arange(len(probabilities), device=probabilities.device)[:, None, None]
        return (best_class(probabilities.float(), size)[0] == numbers).cpu().numpy()
    masks = torch.empty((len(probabilities), *size), dtype=torch.bool, device=probabilities.device)
    for start in range(0, len(masks), MASKS):  # half the time of one call: they are compared in the cache
        some = probabilities[start : start + MASKS].float()[None]
        full = F.interpolate(some, size, mode="bilinear", align_corners=False)[0]
        torch.gt(full, 0.5, out=masks[start : start + MASKS])
    return masks.cpu().numpy()


def to_input(
    images: Sequence[np.ndarray], short_side: int | None, device: torch.device | str = "cpu"
) -> Tensor:
    """(H, W, 3) uint8 images of one size -> (B, 3, H', W') float32 in [0, 1], the short side resized."""
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(device).float() / 255
    height, width = batch.shape[2:]
    if short_side is None or short_side == min(height, width):
        return batch
    scale = short_side / min(height, width)
    size = [round(height * scale), round(width * scale)]
    return F.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
