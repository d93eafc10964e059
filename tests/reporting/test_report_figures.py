import xml.etree.ElementTree as ElementTree

import pytest

from ovseg_core.reporting import charts, data_charts, figures
from ovseg_core.reporting.charts import Curve, Line, Panel
from ovseg_core.reporting.data_charts import Bar


def svg(figure, name="x") -> str:
    return str(figures.to_svg(figure, name))


def text_of(markup: str) -> list[str]:
    return [element.text for element in ElementTree.fromstring(markup).iter() if element.tag.endswith("text")]


@pytest.fixture(autouse=True)
def drawn_in_style():
    with figures.style():
        yield


def test_the_same_values_have_the_same_bytes_and_nothing_names_a_date():
    lines = [Line("a", "#112233", [[40.0, 44.0]])]
    first, second = (svg(charts.lollipops(lines, [Panel("mIoU", chance=4.0)])) for _ in range(2))
    assert first == second
    assert "<metadata" not in first
    assert first.startswith("<svg")


def test_the_mean_is_written_beside_its_mark():
    assert "42.0" in text_of(svg(charts.lollipops([Line("a", "#112233", [[40.0, 44.0]])], [Panel("mIoU")])))


def test_titles_of_narrow_panels_take_two_lines():
    line, title = Line("a", "#112233", [[40.0]] * 5), Panel("foreground mIoU, frequent")
    assert "foreground mIoU, frequent" in text_of(svg(charts.lollipops([line], [title] * 4)))
    assert "frequent" in text_of(svg(charts.lollipops([line], [title] * 5)))


def test_words_of_strangers_stay_text():
    word = "$\\frac{1}$<script>\x00"
    markup = svg(data_charts.bars({"nouns": [Bar(word, 3, "3")]}, columns=1))
    assert "<script" not in markup
    assert "$\\frac{1}$<script>\N{REPLACEMENT CHARACTER}" in text_of(markup)


def test_scripts_that_the_bundled_font_lacks_are_no_warning(recwarn):
    markup = svg(data_charts.bars({"nouns": [Bar("漢字 🐕", 3)]}, columns=1))
    assert "漢字 🐕" in text_of(markup)
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_inner_ids_differ_between_figures():
    figure = [charts.curves({"loss": [Curve("#112233", [1, 2], [2, 1])]}) for _ in range(2)]
    ids = [
        {e.get("id") for e in ElementTree.fromstring(svg(f, name)).iter() if e.get("id")}
        for f, name in zip(figure, "ab", strict=True)
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_funnel_says_what_every_step_dropped():
    steps = [{"name": "download", "in": 100, "out": 90, "drops": {"http_404": 7, "tiny": 3}}]
    written = text_of(svg(data_charts.funnel(steps)))
    assert sorted(written) == ["100", "90", "download", "listed", "−10: http 404 7, tiny 3"]


def test_runs_beyond_the_palette_have_colours_of_their_own():
    colours = figures.run_colours([f"run{i}" for i in range(30)])
    assert len(set(colours.values())) == 30
    assert figures.tint("#000000", 0) == "#000000"
    assert figures.tint("#000000", 1) == "#4d4d4d"  # 1 - 0.7 = 0.3 of white


def test_long_names_are_cut():
    assert figures.plain("a" * 50, 10) == "a" * 9 + "…"
