"""Section `evaluate` of params.yaml: how a trained model is read. Imports no torch: every stage checks it."""

from dataclasses import dataclass
from typing import Literal

from ovseg_core.benchmarks.background import ACCEPTED, is_rule
from ovseg_core.params import check
from ovseg_core.text.prompts import PROMPTS

Proposals = Literal["predicted", "none", "clusters", "ground_truth"]  # OpenSeg, Table 4


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """One reading of a model. `readings` of a run change some of it; what does not touch the numbers
    (batch size, threads, gallery, workers) is taken from the run's own reading."""

    use_proposals: Proposals
    prompts: str  # a set of templates
    short_side: int | None  # images are resized to it, in pixels; null keeps their size
    cluster_weight: float  # of the scores of an image's clusters beside those of its predicted regions
    centring: float  # share of an image's mean score of each word that is taken off before the argmax
    background: (
        str  # benchmark: its own rule; none, names=sky,wall or threshold=0.9 (benchmarks/background.py)
    )
    max_proposals: int  # per image, for the recall of the masks
    batch_size: int
    threads: int  # of torch, per worker
    workers: int  # above 1 the images are spread over Ray actors
    num_gpus: float  # per worker
    gallery: int  # scenes whose class maps are drawn
    seed: int  # draws those scenes

    def __post_init__(self) -> None:
        short, key = self.short_side, "evaluate"
        check(self.prompts in PROMPTS, f"{key}.prompts", self.prompts, ", ".join(PROMPTS))
        check(short is None or 16 <= short <= 4096, f"{key}.short_side", short, "16 to 4096 pixels, or null")
        weight = self.cluster_weight
        check(0 <= weight <= 100, f"{key}.cluster_weight", weight, "from 0 (off) to 100")
        check(0 <= self.centring <= 1, f"{key}.centring", self.centring, "from 0 (off) to 1")
        check(is_rule(self.background), f"{key}.background", self.background, ACCEPTED)
        check(
            self.max_proposals > 0, f"{key}.max_proposals", self.max_proposals, "at least 1; OpenSeg has 128"
        )
        check(self.batch_size > 0, f"{key}.batch_size", self.batch_size, "at least 1")
        check(self.threads > 0, f"{key}.threads", self.threads, "at least 1")
        check(self.workers > 0, f"{key}.workers", self.workers, "at least 1; 1 runs without Ray")
        check(self.num_gpus >= 0, f"{key}.num_gpus", self.num_gpus, "0 or more")
        check(0 <= self.gallery <= 100, f"{key}.gallery", self.gallery, "from 0 to 100 scenes")
        check(self.seed >= 0, f"{key}.seed", self.seed, "0 or more")
