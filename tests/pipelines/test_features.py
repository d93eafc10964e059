import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import shipped
import timm
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file, save_file
from tiny_data import COLOURS, make_corpus, scene
from training_sections import data_settings, tiny_model, tiny_run

from ovseg_core import files, shards
from ovseg_core.masks.pooling import match_size
from ovseg_core.methods.registry import build
from ovseg_core.models.image_tower import ImageTower
from ovseg_core.models.settings import ImageSettings
from ovseg_core.params import ParamError
from ovseg_core.run_log import RunLog
from ovseg_core.training.checkpoint import load_components
from ovseg_core.training.corpus import DataFolders, read_streams, read_words
from ovseg_core.training.identity import Job
from ovseg_core.training.job import run_job
from ovseg_core.training.loop import Worker
from ovseg_core.training.settings import FeatureSettings
from ovseg_core.training.word_start import start_words
from pipelines.cluster import ClusterSettings
from pipelines.features import cache_features

ROOT = Path(__file__).resolve().parents[2]
VALUES = {
    "backbone": "timm:test_resnet",
    "size": 64,
    "actors": 2,
    "num_cpus": 1.0,
    "num_gpus": 0.0,
    "batch_size": 4,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), captioned=[6, 5], labelled=[4], side=48)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> dict:
    """Section model.image of a tiny frozen backbone with weights in a file."""
    path = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    torch.manual_seed(0)
    whole = timm.create_model("test_resnet", features_only=True)
    save_file(whole.state_dict(), path)
    changes = {"backbone": "timm:test_resnet", "weights": str(path), "frozen": True, "frozen_norm": True}
    return tiny_model(**changes)["image"]


def cache(root: Path, image: dict, out: Path, **changes: object) -> RunLog:
    folders = [str(root / "shards"), str(root / "labelled")]
    with RunLog("features", None) as log:
        settings = FeatureSettings(**{**VALUES, **changes})
        cache_features(
            settings, image, folders, out, ClusterSettings(num_cpus=4, workers=2, trainings=1), log
        )
    return log


def test_maps_are_those_of_the_backbone_and_trainings_read_them(local_ray, root, image, tmp_path):
    out = root / "features"
    log = cache(root, image, out)
    assert (log.items, log.facts) == (15, {"shards": 3, "shards_kept": 0})
    tower = ImageTower(ImageSettings(**image))
    for folder, name in (("shards", "00001"), ("labelled", "L0000")):
        stored = load_file(out / f"{name}.safetensors")
        raw = list(shards.read_tar(root / folder / f"{name}.tar"))
        assert stored["valid"].tolist() == [True] * len(raw)
        images = [cv2.resize(shards.decode_image(sample["jpg"]), (64, 64)) for sample in raw]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        for level, maps in enumerate(tower.frozen_maps(pixels)):
            assert torch.allclose(stored[f"level{level}"].float(), maps, atol=1e-2)

    (out / "00001.safetensors").unlink()
    before = (out / "00000.safetensors").stat().st_mtime_ns
    wider = {**image, "width": 2 * image["width"]}  # of the pyramid above the backbone
    assert cache(root, wider, out).facts == {"shards": 1, "shards_kept": 2}
    assert (out / "00000.safetensors").stat().st_mtime_ns == before

    run = tiny_run(train={"steps": 2}, data={"size": 64})
    run["model"]["image"] = image
    for path in (root / "shards").glob("*.tar"):  # with maps, images are not looked at
        shards.write_tar(path, [{**raw, "jpg": b"never read"} for raw in shards.read_tar(path)])
    run_job(Job(run=run, seed=0, data=str(root), folder=str(tmp_path / "job"), corpus=""), Worker())
    assert files.read_json(tmp_path / "job" / "model" / "summary.json")["drops"] == {}


def test_the_last_map_may_come_in_its_principal_components(local_ray, image, tmp_path):
    root = make_corpus(tmp_path, captioned=[6, 5], labelled=[4], side=48)
    image = {**image, "components": 8}
    assert cache(root, image, root / "features", actors=1).facts["shards"] == 3
    found = load_file(root / "features" / "components.safetensors")
    names = ("shards/00000", "shards/00001", "labelled/L0000")
    stored = [load_file(root / "features" / f"{name.split('/')[1]}.safetensors") for name in names]
    last = max(name for name in stored[0] if name.startswith("level"))
    assert stored[0][last].shape[1] == 8

    plain = ImageTower(ImageSettings(**{**image, "components": None}))
    raw = next(iter(shards.read_tar(root / "shards" / "00000.tar")))
    pixels = torch.from_numpy(cv2.resize(shards.decode_image(raw["jpg"]), (64, 64)))[None]
    level = plain.frozen_maps(pixels.permute(0, 3, 1, 2).float() / 255)[-1][0]  # (C, h, w)
    by_hand = torch.einsum("chw,ck->khw", level, found["basis"]) + found["bias"][:, None, None]
    torch.testing.assert_close(stored[0][last][0].float(), by_hand, rtol=1e-2, atol=2e-2)
    torch.testing.assert_close(stored[0]["mean"][0], by_hand.mean((1, 2)), rtol=1e-2, atol=2e-2)

    (root / "features" / "00001.safetensors").unlink()  # the components stay as they are
    assert cache(root, image, root / "features", actors=1).facts == {"shards": 1, "shards_kept": 2}
    run = tiny_run(train={"steps": 2}, data={"size": 64})
    run["model"]["image"] = image
    run_job(Job(run=run, seed=0, data=str(root), folder=str(tmp_path / "job"), corpus=""), Worker())
    weights = load_file(tmp_path / "job" / "model" / "model.safetensors")
    assert torch.equal(weights["image.components.basis"], found["basis"])

    (root / "features" / "components.safetensors").unlink()
    with pytest.raises(ParamError, match=r"model.image.components is 8, but .* is missing"):
        run_job(Job(run=run, seed=1, data=str(root), folder=str(tmp_path / "other"), corpus=""), Worker())


@pytest.mark.parametrize(
    ("method", "change", "start"),
    [
        ("ovsegmentor", {}, "images"),
        ("clip_dense", {"head": "none"}, "images"),
        ("clip_dense", {"head": "none"}, "regions"),
    ],
)
def test_words_start_where_the_images_are_that_were_said_to_show_them(
    local_ray, image, tmp_path, method, change, start
):
    root = make_corpus(tmp_path, captioned=[6, 5], labelled=[4], side=48)
    features, image = str(root / "features"), {**image, "components": 8}
    cache(root, image, root / "features", actors=1)
    folders, settings = (
        DataFolders(str(root)),
        {**shipped.DEFAULT["methods"][method], **change},
    )
    torch.manual_seed(0)
    model = build(method, settings, {**tiny_model(), "image": image}, read_words(folders, data_settings()))
    load_components(model.image, files.join(features, "components.safetensors"))
    stream = read_streams(folders, data_settings())[False]
    start_words(model, stream, features, start)
    assert model.training

    shards_maps = [load_file(root / "features" / f"0000{number}.safetensors") for number in (0, 1)]
    rows = torch.cat([maps["mean"] for maps in shards_maps])
    if method == "ovsegmentor":
        last = torch.cat([maps["level1"] for maps in shards_maps]).float()
        rows = model.eval().embed_maps([last, last])  # a frozen stem reads the last one alone
    scores = rows @ model.embed_text(sorted(COLOURS)).T
    for place, colour in enumerate(sorted(COLOURS)):
        shows = torch.tensor([colour in words for words in stream.words.to_pylist()])
        assert scores[shows, place].mean() > scores[~shows, place].mean() + 0.5 * scores[:, place].std()

    if start == "regions":  # the words know better where in the images they are
        last = torch.cat([maps["level1"] for maps in shards_maps]).float()
        located = inside(model, stream, last)
        start_words(model, stream, features, "images")
        assert located > inside(model, stream, last) > 0

    with pytest.raises(
        ParamError, match=rf"model\.text\.start is '{start}'; it takes captioned images, cached"
    ):
        start_words(model, stream, None, start)
    if method == "ovsegmentor":
        with pytest.raises(ParamError, match=r"start is 'regions'; .* or that group \('images' alone\)"):
            start_words(model, stream, features, "regions")


def inside(model, stream, maps: torch.Tensor) -> float:
    """By how much an image's colour scores higher in its square than in the whole image, in deviations."""
    squares = torch.from_numpy(np.stack([scene(number, 48)[1] for number in range(len(maps))]))
    covered = match_size(squares[:, None], maps)[:, 0]
    colours = [sorted(COLOURS).index(said[0]) for said in stream.words.to_pylist()]
    scores = torch.einsum("ndhw,nd->nhw", maps, model.embed_text(sorted(COLOURS))[colours])
    there = (scores * covered).sum((1, 2)) / covered.sum((1, 2))
    return ((there - scores.mean((1, 2))).mean() / scores.std()).item()


def test_an_image_that_cannot_be_decoded_is_marked(local_ray, root, image, tmp_path):
    broken = shutil.copytree(root, tmp_path / "broken")
    tar = broken / "labelled" / "L0000.tar"
    samples = list(shards.read_tar(tar))
    samples[1]["jpg"] = b"no image"
    shards.write_tar(tar, samples)
    shutil.rmtree(broken / "shards")
    log = cache(broken, image, tmp_path / "out")
    assert log.drops == {"unusable_image": 1}
    assert load_file(tmp_path / "out" / "L0000.safetensors")["valid"].tolist() == [True, False, True, True]


def test_without_a_backbone_nothing_is_cached_and_nothing_is_loaded(root, tmp_path):
    features = {**VALUES, "backbone": None}
    cluster = {"num_cpus": 1, "workers": 1, "trainings": 1}
    sections = {"features": features, "model": tiny_model(), "cluster": cluster}
    YAML().dump(sections, tmp_path / "params.yaml")
    code = (
        "import sys; sys.argv = ['features', 'shards', '--out', 'out', '--log', 'log.json']\n"
        "from stages.features import main; main()\n"
        "assert not {'torch', 'ray'} & set(sys.modules), 'heavy imports'"
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.safetensors").write_bytes(b"of an earlier backbone")
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["features.json"]
    assert files.read_json(tmp_path / "out" / "features.json") == {"backbone": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"backbone": "timm:test_vit"},
            r"features.backbone is 'timm:test_resnet'; .* which is 'timm:test_vit'",
        ),
        ({"frozen": False}, "model.image.frozen is False; accepted: true where features.backbone is set"),
        ({"weights": None}, "model.image.weights is None; accepted: a file .* random weights differ"),
    ],
)
def test_only_a_backbone_that_every_run_shares_is_cached(root, image, tmp_path, change, message):
    with pytest.raises(ParamError, match=message):
        cache(root, {**image, **change}, tmp_path)
