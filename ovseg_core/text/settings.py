"""Settings of the sections `extract` and `curate`. Imports no spaCy: every stage checks them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ovseg_core import files
from ovseg_core.params import check
from ovseg_core.text.entity_sets import MINED, NAMED

LEXICON = "lexicon"  # the tagger that comes with this project
LONGEST = 1_000_000  # characters that spaCy takes in one text
CaptionFilter = Literal["noun_adj", "noun_adj_verb", "all_words"]  # see `filters.TAKEN`


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """Section `extract` of params.yaml."""

    model: str  # lexicon, or the name or folder of an installed spaCy pipeline
    entities: str  # mined, a set of `entity_sets.NAMED`, or a file with a name a line
    max_caption_chars: int  # what a caption has beyond this is cut off and counted

    def __post_init__(self) -> None:
        check(
            self.model == LEXICON or model_folder(self.model) is not None,
            "extract.model",
            self.model,
            f"{LEXICON}, the folder of a spaCy pipeline, or the name of an installed one. This one is not; "
            f"spaCy's own are installed by `python -m spacy download {self.model}`",
        )
        check(
            self.entities == MINED or self.entities in NAMED or files.exists(self.entities),
            "extract.entities",
            self.entities,
            f"{MINED}, {', '.join(NAMED)}, or a file that exists, with a name a line",
        )
        check(
            0 < self.max_caption_chars <= LONGEST,
            "extract.max_caption_chars",
            self.max_caption_chars,
            f"1 to {LONGEST}",
        )


def model_folder(model: str) -> Path | None:
    """Where the spaCy pipeline `model`, a folder or an installed package, has its meta.json, if anywhere."""
    folders = [model] if "/" in model or "." in model else [model, *_package_folders(model)]
    return next((Path(folder) for folder in folders if (Path(folder) / "meta.json").is_file()), None)


def _package_folders(name: str) -> list[str]:
    found = find_spec(name) if name.isidentifier() else None
    return list((found and found.submodule_search_locations) or [])


@dataclass(frozen=True, kw_only=True)
class CurateSettings:
    """Section `curate` of params.yaml. The caption filters are those of OpenSeg's Table 5."""

    filter: CaptionFilter  # a run may take less: data.words
    phrases: bool  # "red fish" as a unit besides "red" and "fish"
    min_documents: int  # captions that a word has to occur in
    near_duplicates: int | None  # captions of one wording that are kept; null keeps all
    require_entity: bool  # drop captions without one, as OVSegmentor makes CC4M of CC12M
    most_entities: int | None  # the most frequent ones that count as such; null: all
    partners: int  # samples that share an entity, for each sample and entity
    seed: int  # draws them
    leak_distance: int  # of 64 bits, up to which a training image is compared with a benchmark image

    def __post_init__(self) -> None:
        check(self.min_documents > 0, "curate.min_documents", self.min_documents, "at least 1")
        check(
            self.near_duplicates is None or self.near_duplicates > 0,
            "curate.near_duplicates",
            self.near_duplicates,
            "at least 1, or null to keep all",
        )
        check(
            self.most_entities is None or self.most_entities > 0,
            "curate.most_entities",
            self.most_entities,
            "at least 1, or null for all",
        )
        check(0 <= self.partners <= 1000, "curate.partners", self.partners, "0 to 1000")
        check(self.seed >= 0, "curate.seed", self.seed, "0 or more")
        check(
            0 <= self.leak_distance <= 16,
            "curate.leak_distance",
            self.leak_distance,
            "0 to 16 bits: beyond that, unrelated images are as near",
        )
