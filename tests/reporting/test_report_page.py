import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import shipped
from report_tree import PARAMS
from ruamel.yaml import YAML

from ovseg_core.reporting import effort, funnel, page, results, scores, training
from ovseg_core.reporting.blocks import Block, Section
from ovseg_core.reporting.scenes import training_scenes
from ovseg_core.reporting.settings import ReportSettings
from ovseg_core.reporting.sources import Sources
from ovseg_core.reporting.sweep import Sweep

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ReportSettings(gallery=6, seed=0)


def build(root: Path, content: dict = PARAMS) -> str:
    return page.build(Sources(str(root)), Sweep.of(content), SETTINGS)[0].decode()


@pytest.fixture(scope="module")
def html(whole_project) -> str:
    return build(whole_project)


SWEEP = Sweep.of(PARAMS)


def scenes(sources: Sources) -> list[Block]:
    return [training_scenes(sources, SETTINGS)]


def data(sources: Sources) -> list[Block]:
    return funnel.section(sources, SETTINGS).blocks


def logs(sources: Sources) -> list[Block]:
    return effort.throughput(sources).blocks


def curves(sources: Sources) -> list[Block]:
    return training.section(sources, SWEEP).blocks


def scores_of(sources: Sources) -> list[Block]:
    return results.section(scores.load(sources, SWEEP), SWEEP).blocks


class Elements(HTMLParser):
    """Every start tag with its attributes, and the headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_holds_every_part(html):
    assert re.findall(r'<section id="(\w+)"', html) == [
        "results", "significance", "classes", "probe", "gallery", "data", "training", "throughput",
        "protocols",
    ]  # fmt: skip
    assert "missing" not in re.findall(r'class="remark (\w+)"', html)
    assert html.count("<svg") == 8  # 2 comparisons, classes, probe, funnel, words, nouns, curves
    assert html.index("toy-test, in percent") < html.index("toy-val, in percent")
    assert "held back: nobody chooses on it" in html
    assert html.count("in no caption of the training data: zebra, oven. Seeds") == 1  # toy-test's classes
    assert re.findall(r"<b>(Figure \d+)\.", html) == [f"Figure {n}" for n in range(1, 14)]


def test_the_page_loads_nothing_and_runs_nothing(html):
    for tag, attributes in Elements(html).found:
        assert tag not in ("script", "link", "iframe", "object")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/")), (tag, attributes)
    assert "url(http" not in html
    assert "default-src 'none'" in html


def test_captions_are_escaped(html):
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in html
    assert '<mark class="noun">stars</mark>' in html
    assert '<mark class="adjective">red</mark>' in html


def test_every_id_is_there_once(html):
    ids = [attributes["id"] for _, attributes in Elements(html).found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_same_inputs_give_the_same_bytes(project, html):
    assert build(project) == html


def test_an_empty_project_gives_a_page_that_says_what_is_missing(tmp_path):
    html = build(tmp_path)
    remarks = re.findall(r'class="remark missing">([^<]+)', html)
    assert len(remarks) >= 10
    assert "No reading has been evaluated on toy-test." in remarks
    assert html.count("<svg") == 0


@pytest.mark.parametrize(
    ("gone", "part", "remark"),
    [
        ("data/pseudo", scenes, "No teacher has labelled them."),
        ("data/shards/00000.tar", scenes, "No training scenes"),
        ("data/corpus/samples.parquet", scenes, "No training scenes"),
        ("data/text", scenes, "Training scenes: image"),
        ("data/web/world.png", data, "No picture of the world"),
        ("data/corpus/funnel.json", data, "No funnel"),
        ("data/corpus/vocabulary.parquet", data, "No vocabulary"),
        ("data/corpus/leaks.json", data, "No leak check"),
        ("data/shards/ledger.parquet", data, "No ledger"),
        ("logs", logs, "No logs"),
        ("models", curves, "No curves"),
        ("reports/runs/clip_dense", scores_of, "Not evaluated yet: clip_dense/0/toy-val, "),
    ],
)
def test_a_missing_part_is_left_out_with_a_line(project, gone, part, remark):
    path = project / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert remark in page.render([Section("part", "Part", part(Sources(str(project))))], [])


def test_a_sweep_of_many_runs_and_one_seed(whole_project):
    runs = {f"run{n}": {"method": "openseg"} for n in range(14)} | PARAMS["runs"]
    sweep = Sweep.of({"runs": runs, "seeds": [0], "benchmarks": ["toy-test"]})
    found = scores.load(Sources(str(whole_project)), sweep)
    section = results.section(found, sweep)
    html = page.render([section], [])
    assert "One seed, so no spread is known" in html
    assert "Not evaluated yet: run0/0/toy-test, run1/0/toy-test" in html


def test_the_stage_writes_page_and_table(whole_project, tmp_path):
    content = shipped.DEFAULT | PARAMS  # a stage checks every section
    with (tmp_path / "params.yaml").open("w") as handle:
        YAML().dump(content, handle)
    command = [sys.executable, "-m", "stages.report", "--root", str(whole_project)]
    outputs = ["--out", "out/index.html", "--comparison", "out/comparison.csv"]
    subprocess.run(
        [*command, *outputs], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )
    assert (tmp_path / "out/index.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "out/comparison.csv").read_text().count("\n") == 1 + 2 * 2 * (4 * 8 + 2 * 3)
