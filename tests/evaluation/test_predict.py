"""Images and names in; class maps, masks and pictures out."""

import io
import json
import logging

import numpy as np
import pytest
import torch
from colour_world import ColourMethod, paint
from PIL import Image
from tiny_model import WORDS, write_model

from ovseg_core.evaluation.overlays import palette
from ovseg_core.evaluation.predict import Prediction, Predictor
from ovseg_core.evaluation.windows import Looks, looked_at, places
from ovseg_core.masks import rle
from ovseg_core.params import ParamError
from ovseg_core.training.checkpoint import CheckpointError
from pipelines.cli import main
from pipelines.predict import list_images, output_names, parse_vocabulary, predict

NAMES = ["red", "green", "blue"]
SEEN = np.kron(np.array([[0, 1], [2, 2]]), np.ones((4, 6), int))  # 8 x 12 pixels
IMAGE = paint(SEEN, NAMES)


def test_labels_count_from_one_and_follow_the_order_of_the_names():
    prediction = Predictor(ColourMethod(), [["blue"], ["white", "lime"], ["red"]])(IMAGE)
    assert prediction.labels.dtype == np.uint16
    assert np.array_equal(prediction.labels, np.array([3, 2, 1])[SEEN])
    assert prediction.scores == pytest.approx({1: 1.0, 2: 1.0, 3: 1.0})  # the cosine of a colour with itself


def test_what_the_background_names_win_is_zero():
    prediction = Predictor(ColourMethod(), [["red"]], background=["blue", "green"])(IMAGE)
    assert np.array_equal(prediction.labels, SEEN == 0)


def test_coco_masks_hold_every_entry_that_occurs_and_no_background():
    predictor = Predictor(ColourMethod(), [["red"], ["white"], ["lime", "green"]], background=["blue"])
    masks = predictor.coco(predictor(IMAGE), "a.jpg")
    assert [mask["category"] for mask in masks] == ["red", "lime"]
    assert np.array_equal(rle.decode([mask["segmentation"] for mask in masks]), [SEEN == 0, SEEN == 1])
    assert [mask["score"] for mask in masks] == [1.0, 1.0]
    assert {mask["image"] for mask in masks} == {"a.jpg"}
    assert predictor.coco(Prediction(np.zeros((2, 2), np.uint16), {0: 0.5}), "b.jpg") == []


@pytest.mark.parametrize("size", [(8, 12), (1, 7), (301, 40), (30, 1500)])
def test_images_of_any_size_get_maps_of_their_own_size(size):
    image = np.zeros((*size, 3), np.uint8)
    image[:, : size[1] // 2] = (255, 0, 0)
    image[:, size[1] // 2 :] = (0, 0, 255)
    labels = Predictor(ColourMethod(), [["red"], ["blue"]], looks=Looks(short_side=16))(image).labels
    assert labels.shape == size
    assert (labels[:, : size[1] // 3] == 1).all()
    assert (labels[:, -(size[1] // 3) :] == 2).all()


def test_the_picture_has_the_colours_of_its_legend():
    predictor = Predictor(ColourMethod(), [["red"], ["green"], ["blue"]])
    drawn = predictor.draw(IMAGE, predictor(IMAGE))
    width = 540  # 12 pixels x 45: enlarged to a short side of 360
    assert drawn.shape[0] == 360
    swatches = [np.argwhere((drawn[:, width:] == colour).all(-1))[:, 0] for colour in palette(3)]
    assert min(map(len, swatches)) > 100
    assert np.argsort([rows.mean() for rows in swatches]).tolist() == [
        2,
        0,
        1,
    ]  # blue fills half, then in order
    assert np.abs(drawn[300, 100].astype(int) - (0.62 * palette(3)[2] + 0.38 * IMAGE[6, 2].mean())).max() <= 1


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "tiny/0", [*WORDS, "sofa"])


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (40, 60)), ("b.jpg", (64, 33)), ("b.png", (20, 20))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_folder_with_bad_images_is_segmented_and_the_bad_ones_are_counted(model, photos, tmp_path, caplog):
    (photos / "broken.jpg").write_bytes(b"<html>not found</html>")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:200])
    with caplog.at_level(logging.INFO):
        report = predict(model, photos, ["red", "green, lime"], tmp_path / "out", threads=1)
    assert report == {"images": 3, "drops": {"undecodable_image": 2}}
    assert "broken.jpg left out" in caplog.text
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = ["a", "b.jpg", "b.png"]  # two of one stem keep their suffix
    assert names == {
        "predictions.json",
        "classes.json",
        *(f"{s}.{k}.png" for s in stems for k in ("overlay", "classes")),
    }
    assert json.loads((tmp_path / "out/classes.json").read_text()) == {
        "0": "background",
        "1": "red",
        "2": "green",
    }
    with Image.open(tmp_path / "out/b.jpg.classes.png") as image:
        assert image.mode == "I;16"
        assert image.size == (33, 64)
        labels = np.asarray(image)
    masks = [m for m in json.loads((tmp_path / "out/predictions.json").read_text()) if m["image"] == "b.jpg"]
    decoded = rle.decode([mask["segmentation"] for mask in masks])
    present = [{"red": 1, "green": 2}[mask["category"]] for mask in masks]
    assert np.array_equal(decoded, [labels == label for label in present])
    assert decoded.sum() == 33 * 64


def test_the_same_input_gives_the_same_bytes(model, photos, tmp_path):
    for out in ("one", "two"):
        predict(model, photos / "a.png", ["red", "blue"], tmp_path / out, threads=1)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 4
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_words_that_the_model_never_read_are_named(model, photos, tmp_path, caplog):
    predict(model, photos / "a.png", ["red", "sofa, zeppelin"], tmp_path / "out", threads=1)
    assert "'zeppelin': no caption that this model was trained on says so" in caplog.text
    assert "'sofa'" not in caplog.text


def test_a_vocabulary_comes_from_names_or_from_a_file(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("sofa, couch\n\nchair\nÜbersee-Straße\n", encoding="utf-8")
    expected = [["sofa", "couch"], ["chair"], ["Übersee-Straße"]]
    assert parse_vocabulary([str(path)]) == expected
    assert parse_vocabulary(["sofa, couch", "chair", "Übersee-Straße"]) == expected
    for wrong in ([], [""], ["dog", " , "]):
        with pytest.raises(ParamError, match="--vocab"):
            parse_vocabulary(wrong)


def test_a_source_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is missing; it has to be an image or a folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds no image; known suffixes: \.bmp"):
        list_images(tmp_path)
    assert output_names(["x/a.jpg", "x/a.png", "x/b.jpg"]) == ["a.jpg", "a.png", "b"]


def test_a_folder_that_is_no_model_is_refused(photos, tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        predict(photos, photos, ["red"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_grey_and_a_cmyk_image_are_images_too(model, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    Image.new("L", (20, 20), 90).save(folder / "grey.png")
    Image.new("CMYK", (20, 20), (10, 20, 30, 0)).save(folder / "print.jpg")
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 20), 40000, np.uint16)).save(buffer, "PNG")
    (folder / "deep.png").write_bytes(buffer.getvalue())
    assert predict(model, folder, ["red"], tmp_path / "out", threads=1) == {"images": 3, "drops": {}}


def test_windows_cover_an_image_and_overlap():
    assert list(places(20, 16, 16, 0.5)) == [(0, 0, 16, 16), (4, 0, 16, 16)]
    found = list(places(50, 33, 16, 0.25))
    covered = np.zeros((50, 33), int)
    for y, x, height, width in found:
        assert (y % 4, x % 4) == (0, 0)
        covered[y : y + height, x : x + width] += 1
    assert covered.min() >= 1
    assert max(y + height for y, _, height, _ in found) == 50


def bright(images):
    """A method that sees each pixel by itself: two classes, how bright it is and how dark."""
    grey = torch.nn.functional.avg_pool2d(images.mean(1), 4, ceil_mode=True)
    return torch.cat([grey, 1 - grey])


def test_windows_of_a_local_method_are_what_it_sees_in_one_look():
    image = np.random.default_rng(0).integers(0, 256, (48, 72, 3), np.uint8)
    whole = looked_at(bright, image, Looks(), "cpu")
    for overlap in (0.0, 0.5, 0.9):
        assert torch.allclose(
            looked_at(bright, image, Looks(window=16, overlap=overlap), "cpu"), whole, atol=1e-6
        )


def test_a_flip_and_sizes_are_averaged():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :8] = 255

    def left(images):
        """Sees what is bright in the left half alone."""
        scores = bright(images)
        scores[:, :, scores.shape[2] // 2 :] = 0
        return scores

    once, twice = (looked_at(left, image, Looks(flip=flip), "cpu") for flip in (False, True))
    assert once[0, 0].tolist() == [1, 1, 0, 0]
    assert twice[0, 0].tolist() == [0.5, 0.5, 0, 0]  # mirrored, the bright half lies where it does not look
    assert twice[1, 0].tolist() == [0, 0, 0.5, 0.5]
    sizes = looked_at(bright, image, Looks(scales=(1.0, 2.0)), "cpu")
    assert sizes.shape == (2, 4, 4)
    assert sizes[0, 0, 0] == pytest.approx(1.0, abs=0.01)


def test_large_images_are_read_in_windows_at_their_own_size(model, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)).save(
        tmp_path / "a.png"
    )
    looks = {"short_side": 0, "window": 48, "overlap": 0.25, "scales": (1.0, 0.5), "flip": True}
    assert (
        predict(model, tmp_path / "a.png", ["red", "blue"], tmp_path / "out", threads=1, **looks)["images"]
        == 1
    )
    with Image.open(tmp_path / "out/a.classes.png") as labels:
        assert labels.size == (140, 90)
    for wrong in ({"window": 8}, {"overlap": 1.0}, {"scales": (0.0,)}):
        with pytest.raises(ParamError, match=f"{next(iter(wrong))} is "):
            predict(model, tmp_path / "a.png", ["red"], tmp_path / "out", **wrong)


def test_the_command_line_hands_every_choice_on(model, photos, tmp_path):
    given = ["predict", "--model", str(model), "--input", str(photos), "--vocab", "red", "green, lime"]
    main([*given, "--output", str(tmp_path / "plain")])
    looks = {"short_side": 0, "window": 32, "overlap": 0.25, "scales": (0.5, 1.0), "flip": True}
    predict(model, photos, ["red", "green, lime"], tmp_path / "called", background=["blue"], **looks)
    options = [
        "--short-side",
        "0",
        "--window",
        "32",
        "--overlap",
        "0.25",
        "--scales",
        "0.5",
        "1",
        "--flip",
        "--background",
        "blue",
    ]
    main([*given, "--output", str(tmp_path / "out"), *options])
    found = {name: (tmp_path / name / "predictions.json").read_bytes() for name in ("plain", "called", "out")}
    assert found["out"] == found["called"] != found["plain"]
    with pytest.raises(SystemExit, match=r"^ovseg: window is 8; accepted"):
        main([*given, "--output", str(tmp_path / "out"), "--window", "8"])


def test_three_lines_make_a_picture(model, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    picture = Predictor.load(str(model), ["red", "green, lime"]).show(str(tmp_path / "a.png"))
    assert picture.size[1] == 360
