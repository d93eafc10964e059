"""`ovseg evaluate`: a model folder on a benchmark as it is published."""

import json
import shutil

import numpy as np
import pytest
import torch
from colour_world import ColourMethod, paint, settings, write_benchmark, write_mask
from PIL import Image
from test_evaluate_pipeline import readings
from tiny_model import write_model

from ovseg_core.benchmarks.boxes import of_annotations
from ovseg_core.evaluation.box_evaluator import evaluate as evaluate_boxes
from ovseg_core.evaluation.box_evaluator import filled
from ovseg_core.run_log import RunLog
from pipelines.cli import main
from pipelines.cluster import ClusterSettings
from pipelines.evaluation import evaluate as stage

NAMES = ["red", "green", "blue"]


@pytest.fixture
def own(tmp_path):
    """Three photos, masks and names of a user's own, the first name that of the background; and a model."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    for key in "abc":
        labels = np.kron(rng.integers(0, 4, (2, 2)), np.ones((16, 16), int))
        Image.fromarray(paint(labels, ["white", *NAMES])).save(tmp_path / f"own/images/{key}.png")
        write_mask(tmp_path / f"own/masks/{key}.png", labels)
    (tmp_path / "own/names.txt").write_text("background\nred\ngreen, lime\nblue\n")
    write_model(tmp_path / "model", [*["red", "green", "lime", "blue", "white", "background"]])
    return tmp_path


def command(own, *more, benchmark="folder", data="own"):
    main(
        [
            "evaluate",
            "--model",
            str(own / "model"),
            "--benchmark",
            benchmark,
            "--data",
            str(own / data),
            *more,
        ]
    )


def test_numbers_and_their_protocol_are_printed_and_written(own, capsys):
    command(own, "--prompts", "7", "--background", "threshold=0.4", "--output", str(own / "out"))
    printed = capsys.readouterr().out
    metrics = json.loads((own / "out/metrics.json").read_text())
    numbers = metrics["readings"]["tiny"]
    assert {"miou", "grounding_miou", "foreground_miou", "recall_50"} <= numbers.keys()
    assert f"{numbers['miou']:.2f}" in printed
    how = metrics["protocol"]["readings"]["tiny"]
    assert how["prompts"] == "ensemble_7"
    assert "below 0.4" in how["background"]
    assert "tiny, background: background where the highest probability is below 0.4" in printed
    assert (own / "out/per_class.csv").exists()


def test_segments_without_names(own, capsys):
    command(own, benchmark="regions:folder")
    printed = capsys.readouterr().out
    assert "recall_50" in printed
    assert "miou" not in printed


def test_it_is_the_code_of_the_stage(own, tmp_path):
    scenes = {}
    for key in "ab":
        labels = np.kron(np.random.default_rng(ord(key)).integers(0, 3, (2, 2)), np.ones((16, 16), int))
        scenes[key] = (labels, paint(labels, NAMES))
    write_benchmark(tmp_path / "benchmarks/toy-val", scenes)
    command(own, "--output", str(own / "out"), benchmark="toy-val", data="benchmarks")
    (own / "evaluate.json").write_text(json.dumps(readings()))
    ray = ClusterSettings(num_cpus=2, workers=1, trainings=1)
    with RunLog("evaluate", None) as log:
        stage(own / "model", own / "evaluate.json", own / "benchmarks/toy-val", own / "stage", log, ray)
    for name in ("scores.json", "per_class.csv"):
        assert (own / "out" / name).read_bytes() == (own / "stage" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--prompts", "8"], r"--prompts is '8'; accepted: 1, 7, 80, single"),
        (["--background", "treshold=0.9"], "background is 'treshold=0.9'; accepted"),
        (["--regions", "some"], "--regions is 'some'"),
        (["--batch-size", "0"], "batch_size is 0"),
    ],
)
def test_a_wrong_choice_ends_in_one_line(own, more, message):
    with pytest.raises(SystemExit, match=message):
        command(own, *more)


def test_without_a_benchmark_they_are_listed_and_a_missing_one_is_named(own, capsys):
    main(["evaluate"])
    listed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ade847 ") for line in listed)
    with pytest.raises(SystemExit, match=r"val\.txt is missing.*PASCAL VOC 2012.*it comes from http"):
        command(own, benchmark="voc21")
    shutil.rmtree(own / "own/masks")
    with pytest.raises(SystemExit, match=r"masks/a\.png is missing"):
        command(own)


class ColourDetector(ColourMethod):
    """Finds the box of every colour that it is asked for."""

    def detections(self, images, text_embeddings):
        scores = self.score_maps(images, text_embeddings, "none") > 0.9
        answers = []
        for one in scores:
            texts = [t for t in range(len(one)) if one[t].any()]
            boxes = []
            for t in texts:
                y, x = one[t].nonzero().T
                boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
            answers.append((torch.tensor(boxes).float(), torch.full((len(texts),), 0.9), torch.tensor(texts)))
        return answers


def boxes_of_colours(tmp_path):
    """Two images with a red and a blue half, and one that says its green box is red."""
    halves = np.kron(np.array([[0, 2]]), np.ones((8, 4), int))
    images, annotations, paths = [], [], {}
    for number, (labels, truths) in enumerate(
        [(halves, [(1, [0, 0, 4, 8]), (3, [4, 0, 4, 8])]), (np.ones((8, 8), int), [(1, [0, 0, 8, 8])])], 1
    ):
        paths[number] = str(tmp_path / f"{number}.png")
        Image.fromarray(paint(labels, NAMES)).save(paths[number])
        images.append({"id": number, "height": 8, "width": 8})
        for category, box in truths:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": box,
                 "area": box[2] * box[3], "iscrowd": 0}
            )  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    subsets = {"base": [0], "novel": [2]}
    return of_annotations(
        "boxes", "made", content, paths, ["red", "green, lime", "blue"], "", subsets=subsets
    )


def test_boxes_are_named_and_found(tmp_path):
    benchmark = boxes_of_colours(tmp_path)
    numbers = evaluate_boxes(ColourMethod(), benchmark, settings())
    # red: one of two boxes is called red; blue: its box is blue
    assert numbers["box_top1_base"] == 50.0
    assert numbers["box_top1_novel"] == 100.0
    assert numbers["box_top1"] == 75.0
    assert "ap" not in numbers
    numbers = evaluate_boxes(ColourDetector(), benchmark, settings())
    assert numbers["ap50_novel"] == 100.0
    # red: one of its two boxes is found, and nothing else is called red
    assert numbers["ap50_base"] == pytest.approx(100 * 51 / 101, abs=0.01)


def test_a_box_covers_at_least_a_pixel_of_the_input():
    masks = filled(np.array([[0, 0, 4, 8], [7.9, 7.9, 8, 8], [3, 3, 3, 3]]), (8, 8), (4, 4))
    assert masks.sum((1, 2)).tolist() == [8, 1, 1]
    assert masks[0, :, :2].all()
    assert masks[1, 3, 3]
