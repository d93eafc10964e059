import pytest

from ovseg_core.params import ParamError, build
from ovseg_core.text.settings import CurateSettings, ExtractSettings, model_folder

EXTRACT = {"model": "lexicon", "entities": "mined", "max_caption_chars": 1000}
CURATE = {
    "filter": "noun_adj", "phrases": True, "min_documents": 10, "near_duplicates": 20, "leak_distance": 6,
    "require_entity": False, "most_entities": None, "partners": 4, "seed": 0,
}  # fmt: skip


def test_a_model_that_is_not_installed_is_refused_with_what_to_do():
    with pytest.raises(
        ParamError, match=r"extract.model is 'en_none_sm'.*python -m spacy download en_none_sm"
    ):
        build({**EXTRACT, "model": "en_none_sm"}, "extract", ExtractSettings)


def test_a_package_that_is_no_pipeline_is_refused():
    with pytest.raises(ParamError, match=r"extract\.model is 'numpy'"):
        build({**EXTRACT, "model": "numpy"}, "extract", ExtractSettings)


def test_a_folder_with_a_pipeline_is_a_model(tmp_path):
    assert model_folder(str(tmp_path)) is None
    (tmp_path / "meta.json").write_text("{}")
    assert model_folder(str(tmp_path)) == tmp_path


def test_entities_that_are_no_set_and_no_file_are_refused(tmp_path):
    with pytest.raises(ParamError, match=r"extract\.entities is 'none'.*mined, ovsegmentor, or a file"):
        build({**EXTRACT, "entities": "none"}, "extract", ExtractSettings)
    (tmp_path / "names").write_text("dog")
    build({**EXTRACT, "entities": str(tmp_path / "names")}, "extract", ExtractSettings)


@pytest.mark.parametrize("value", [0, -1, 1_000_001])
def test_caption_length_out_of_range(value):
    with pytest.raises(ParamError, match=f"extract.max_caption_chars is {value}; accepted: 1 to 1000000"):
        build({**EXTRACT, "max_caption_chars": value}, "extract", ExtractSettings)


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("filter", "nouns", "noun_adj, noun_adj_verb, all_words"),
        ("min_documents", 0, "at least 1"),
        ("near_duplicates", 0, "at least 1, or null"),
        ("leak_distance", 17, "0 to 16"),
        ("leak_distance", -1, "0 to 16"),
        ("phrases", "yes", "bool"),
    ],
)
def test_curate_says_what_it_accepts(key, value, accepted):
    with pytest.raises(ParamError, match=f"curate.{key} is {value!r}.*{accepted}"):
        build({**CURATE, key: value}, "curate", CurateSettings)


def test_null_keeps_all_near_duplicates():
    assert build({**CURATE, "near_duplicates": None}, "curate", CurateSettings).near_duplicates is None
