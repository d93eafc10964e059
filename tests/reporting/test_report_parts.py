import base64
import io

import numpy as np
import pytest
from PIL import Image

from ovseg_core import files, shards
from ovseg_core.params import ParamError, build
from ovseg_core.records import BadSample
from ovseg_core.reporting import classes, effort, funnel, gallery, parses, pictures, scenes, training
from ovseg_core.reporting.figures import MASKS
from ovseg_core.reporting.scores import Scores
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources

SETTINGS = ReportSettings(gallery=4, seed=0)


def image_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_masks_are_drawn_in_their_colours_with_a_solid_edge():
    mask = np.zeros((1, 5, 5), bool)
    mask[0, 1:4, 1:4] = True
    drawn = pictures.overlay(np.zeros((5, 5, 3), np.uint8), mask)
    red = [int(MASKS[0][i : i + 2], 16) for i in (1, 3, 5)]  # 230, 25, 75
    assert drawn[0, 0].tolist() == [115, 115, 115]  # 0.45 of white over black, to the nearest even: 114.75
    assert drawn[1, 1].tolist() == red
    assert drawn[2, 2].tolist() == [178, 65, 93]  # 0.45 x 114.75 + 0.55 x colour


def test_small_images_stay_as_they_are_and_large_ones_shrink():
    small = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    assert (image_of(pictures.to_uri(small)) == small).all()
    large = pictures.to_uri(np.zeros((600, 1200, 3), np.uint8))
    assert large.startswith("data:image/jpeg")
    assert image_of(large).shape == (160, 320, 3)


def test_only_captioned_samples_are_followed_and_the_seed_chooses(whole_project):
    sources = Sources(str(whole_project))
    chosen = [row["key"] for row in scenes.choose(sources, SETTINGS)]
    assert len(chosen) == 4
    assert chosen == sorted(chosen) == [row["key"] for row in scenes.choose(sources, SETTINGS)]
    others = {
        tuple(r["key"] for r in scenes.choose(sources, ReportSettings(gallery=4, seed=s))) for s in range(5)
    }
    assert len(others) > 1


def test_labelled_samples_are_not_chosen(project):
    path = project / "data/corpus/samples.parquet"
    table = shards.read_table(path)
    labelled = [row > 0 for row in range(len(table))]
    shards.write_table(path, table.set_column(3, "labelled", [labelled]))
    assert [row["row"] for row in scenes.choose(Sources(str(project)), SETTINGS)] == [0]


def test_a_mask_that_repeats_a_better_one_is_not_drawn(whole_project):
    row = shards.read_table(whole_project / "data/pseudo/masks/00000.parquet").to_pylist()[0]
    masks, scores = scenes.best_masks(row)
    assert scores.tolist() == pytest.approx([0.91, 0.72, 0.55])
    assert masks.shape == (3, 24, 24)


def test_a_broken_mask_leaves_a_hole_and_not_an_error(project):
    path = project / "data/pseudo/masks/00000.parquet"
    rows = shards.read_table(path).to_pylist()
    rows[0]["masks"][0]["counts"] = "9999"
    with pytest.raises(BadSample, match="broken_mask"):
        scenes.best_masks(rows[0])
    shards.write_table(path, shards.pa.Table.from_pylist(rows))
    block = scenes.training_scenes(Sources(str(project)), ReportSettings(gallery=6, seed=0))
    assert [bool(strip.tiles[1].uri) for strip in block.strips] == [False] + [True] * 5


def test_a_tar_that_was_cut_gives_the_scenes_before_the_cut(project):
    path = project / "data/shards/00000.tar"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    block = scenes.training_scenes(Sources(str(project)), ReportSettings(gallery=6, seed=0))
    assert 0 < len(block.strips) < 6


def test_every_reading_has_its_column_and_a_broken_picture_is_a_hole(project, sweep):
    folder = project / "reports/runs/openseg/0/toy-test/gallery"
    (folder / "000008.openseg.png").write_bytes(b"no picture")
    block = gallery.benchmark_scenes(Sources(str(project)), Scores([]), sweep, SETTINGS, "toy-test")
    labels = ["image", "truth", "openseg", "openseg-no-proposals", "openseg-true-masks †", "clip_dense"]
    assert [tile.label for tile in block.strips[0].tiles] == labels
    assert [tile.uri == "" for tile in block.strips[1].tiles] == [False, False, True, False, False, False]
    assert block.legend[0] == ("#3366aa", "fish")
    assert block.columns == 6


def test_a_colour_of_the_legend_that_is_none_is_left_out(project, sweep):
    path = project / "reports/runs/openseg/0/toy-test/gallery/index.json"
    index = files.read_json(path)
    index["legend"][0]["color"] = "red;background:url(http://example.org)"
    files.write_json(path, index)
    block = gallery.benchmark_scenes(Sources(str(project)), Scores([]), sweep, SETTINGS, "toy-test")
    assert [name for _, name in block.legend] == ["star", "cup", "sand", "sea"]


def test_classes_are_read_over_runs_and_seeds(whole_project, sweep):
    values, kinds, pixels = classes.read_classes(Sources(str(whole_project)), sweep, "toy-test")
    assert values["openseg", "star"] == [63.0, 65.0]
    assert (kinds["sea"], pixels["sea"]) == ("stuff", 96.0)


def test_found_leaks_are_listed(project):
    files.write_json(
        project / "data/corpus/leaks.json", {"toy-test": [{"key": "000000003", "id": "7", "distance": 1}]}
    )
    table = funnel.section(Sources(str(project)), SETTINGS).blocks[-1]
    assert [cell.text for cell in table.rows[0]] == ["toy-test", "7", "000000003", "1"]
    assert "1 benchmark images were found" in table.caption


def test_captions_are_shown_with_their_words_and_entities(project):
    block = parses.section(Sources(str(project)), SETTINGS)
    assert len(block.strips) == 6  # all of the only shard
    first = block.strips[0].caption
    assert ("red", "adjective") in first
    assert ("fish", "noun") in first
    assert "".join(text for text, _ in first).startswith("A <script>")
    (project / "data/text/00000.parquet").unlink()
    assert parses.section(Sources(str(project)), SETTINGS).tone == "missing"


def test_nouns_are_shown_with_the_rule_that_left_them_out(project):
    blocks = funnel.section(Sources(str(project)), SETTINGS).blocks
    [figure] = [block for block in blocks if block.kind == "figure" and "rule" in block.caption]
    assert "3 time" in figure.svg


def test_drops_after_the_download_are_listed_by_step(whole_project):
    blocks = funnel.section(Sources(str(whole_project)), SETTINGS).blocks
    table = next(block for block in blocks if block.kind == "table")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["duplicates", "exact duplicate", "20", "2.2 %"],
        ["captions", "no words", "50", "5.7 %"],
        ["captions", "near duplicate", "30", "3.4 %"],
    ]
    figure = next(block for block in blocks if block.kind == "figure")
    assert "From 1,000 URLs to 800 samples" in figure.caption
    assert "119 of 120 labelled images" in figure.caption


def test_the_ledger_is_counted_by_status_and_reason(whole_project):
    tables = [b for b in funnel.section(Sources(str(whole_project)), SETTINGS).blocks if b.kind == "table"]
    rows = [[cell.text for cell in row] for row in tables[1].rows]
    assert rows[1] == ["failed", "http 404", "2", "6", "6.0 %"]


def test_many_cells_of_one_stage_are_summed_up(project):
    for seed in range(7):
        (project / f"logs/train-a-{seed}.json").write_bytes(
            (project / "logs/train-openseg-0.json").read_bytes()
        )
    table = effort.throughput(Sources(str(project))).blocks[1]
    rows = [[cell.text for cell in row] for row in table.rows]
    assert [row[0] for row in rows] == ["download", "curate", "train (all 11)"]
    # 11 x 300 images; 11 x (30 - 2) s of work: 10.7 a second
    assert rows[2][1:5] == ["3,300", "images", "10.7", "5 min 30 s"]
    assert rows[0][-1] == "−60: http 404 60"


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.94, "59.9 s"), (119.6, "2 min 00 s"), (7801, "2 h 10 min")]
)
def test_durations(seconds, text):
    assert effort.duration(seconds) == text


def test_a_run_shows_its_size_and_its_mean_final_losses(whole_project, sweep):
    table = training.section(Sources(str(whole_project)), sweep).blocks[0]
    texts = [cell.text for cell in table.rows[0]]
    assert texts == [
        "openseg",
        "1,200",
        "1,000",
        "300",
        "28,800",
        "bf16",
        "grounding 2, loss 3.5",
        "efefefefefef",
    ]


def test_curves_skip_the_header_and_read_the_last_column():
    curve = training.read_curve("a", b"timestamp\tstep\tloss\n")
    assert curve.steps == []
    curve = training.read_curve("a", b"step\tloss\n10\t2.5\n20\t1.5\n")
    assert (curve.steps, curve.values) == ([10.0, 20.0], [2.5, 1.5])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"gallery": -1, "seed": 0}, "report.gallery is -1"),
        ({"gallery": 4, "seed": -1}, "report.seed is -1"),
        ({"gallery": 4.0, "seed": 0}, "report.gallery is 4.0"),
    ],
)
def test_wrong_settings_are_refused(given, message):
    with pytest.raises(ParamError, match=message):
        build(given, "report", ReportSettings)
