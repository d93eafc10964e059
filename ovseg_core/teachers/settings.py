"""Sections `teachers.<name>` of params.yaml, by `kind`. No torch here: checking parameters stays cheap."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ovseg_core import files
from ovseg_core.params import ParamError, build, check
from ovseg_core.training.settings import backbone_of

COLOUR, BACKBONE, TIMM = "colour", "backbone", "timm:"
COLOUR_STRIDE = 2  # pixels of the square per location of colour features


@dataclass(frozen=True, kw_only=True)
class MaskTeacherSettings:
    """A teacher of kind `mask_model`: the run that `teach` trains."""

    threshold: float  # probability above which a pixel belongs to a mask

    reads_model = True  # of the stage `teach`
    reads_image = False  # the section model.image

    def __post_init__(self) -> None:
        check(
            0 < self.threshold < 1,
            "teachers.<name>.threshold",
            self.threshold,
            "between 0 and 1; usually 0.5",
        )

    def weights_path(self, model: str, _image: Mapping[str, Any]) -> str | None:
        """The file of weights that decides the masks."""
        return files.join(model, "model.safetensors")

    def reads_maps(self, cached: Mapping[str, Any], model: str, _image: Mapping[str, Any]) -> bool:
        """Whether the maps that `features.json` describes stand for the images."""
        config = files.read_json(files.join(model, "config.json"))
        return bool(cached["image"] == backbone_of(config["model"]["image"]))


@dataclass(frozen=True, kw_only=True)
class KMeansSettings:
    """A teacher of kind `kmeans`: clusters of an image's own locations, learnt from nothing (S-Seg)."""

    features: str  # colour: LAB and its local deviation | backbone: model.image, frozen | timm:<name>
    weights: str | None  # of timm:<name>: null: random; a .safetensors file; pretrained: fetched
    size: int  # side of the square that images are brought to, pixels
    window: int  # colour: side of the box that it is averaged over, pixels
    clusters: int  # k
    feature_scale: float  # on features: LAB and its deviation in hundreds, or vectors of unit length
    position_weight: float  # on coordinates from 0 to 1 beside the features
    merge: float  # clusters whose scaled features are nearer than this are one
    connected: bool  # pieces of a cluster that do not touch are masks of their own
    min_area: float  # share of the image; smaller pieces go to a neighbour

    reads_model = False

    @property
    def reads_image(self) -> bool:
        """Whether the section model.image decides its masks."""
        return self.features == BACKBONE

    def __post_init__(self) -> None:
        key = "teachers.<name>"
        named = self.features.startswith(TIMM) and len(self.features) > len(TIMM)
        check(
            named or self.features in (COLOUR, BACKBONE),
            f"{key}.features",
            self.features,
            "colour, backbone (that of model.image), or timm:<name>",
        )
        weights = self.weights
        check(
            weights is None or (named and (weights == "pretrained" or weights.endswith(".safetensors"))),
            f"{key}.weights",
            weights,
            "null; for timm:<name> also pretrained, or the path of a .safetensors file",
        )
        check(self.size >= 16, f"{key}.size", self.size, "at least 16 pixels")
        check(self.size % COLOUR_STRIDE == 0, f"{key}.size", self.size, "an even number")
        even = self.window % 2 == 0 and 2 <= self.window <= self.size
        check(even, f"{key}.window", self.window, f"an even number from 2 to the size of {self.size}")
        check(self.clusters >= 2, f"{key}.clusters", self.clusters, "at least 2; S-Seg has about 8")
        locations = (self.size // COLOUR_STRIDE) ** 2
        check(
            self.features != COLOUR or self.clusters <= locations,
            f"{key}.clusters",
            self.clusters,
            f"at most {locations}, the locations of an image of size {self.size}",
        )
        check(self.feature_scale > 0, f"{key}.feature_scale", self.feature_scale, "above 0")
        for name in ("position_weight", "merge"):
            check(getattr(self, name) >= 0, f"{key}.{name}", getattr(self, name), "at least 0")
        check(0 <= self.min_area < 1, f"{key}.min_area", self.min_area, "from 0 to below 1")

    def weights_path(self, _model: str, image: Mapping[str, Any]) -> str | None:
        """The file of weights that decides the masks; None where there is none, or timm fetches it."""
        path = image["weights"] if self.features == BACKBONE else self.weights
        return path if path and path != "pretrained" else None

    def reads_maps(self, cached: Mapping[str, Any], _model: str, image: Mapping[str, Any]) -> bool:
        """Whether the maps that `features.json` describes stand for the images."""
        mine = {"image": backbone_of(image), "size": self.size}
        return self.features == BACKBONE and mine == {name: cached[name] for name in mine}


TEACHER_SETTINGS: dict[str, type] = {"mask_model": MaskTeacherSettings, "kmeans": KMeansSettings}


@contextmanager
def named(name: str) -> Iterator[None]:
    """A teacher does not know its name: in messages from within the block `<name>` becomes it."""
    try:
        yield
    except ParamError as error:
        raise ParamError(str(error).replace("teachers.<name>", f"teachers.{name}")) from error


def settings_of(given: Mapping[str, Any]) -> Any:
    """The settings of one section `teachers.<name>`, by its kind.

    Raises:
        ParamError: for an unknown kind or wrong settings.
    """
    kind = given.get("kind")
    if kind not in TEACHER_SETTINGS:
        raise ParamError(f"teachers.<name>.kind is {kind!r}; accepted: {', '.join(TEACHER_SETTINGS)}")
    rest = {key: value for key, value in given.items() if key != "kind"}
    return build(rest, "teachers.<name>", TEACHER_SETTINGS[kind])
