import open_clip
import pytest

from ovseg_core.text.prompts import PROMPTS, expand, expand_classes, parse_classes


def test_single_is_the_bare_name():
    assert expand("fish", "single") == ["fish"]
    assert expand("fish", "photo") == ["a photo of a fish"]


def test_the_sets_are_clips_own():
    clip = [template("x y") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert expand("x y", "ensemble_80") == clip
    assert expand("x y", "ensemble_7") == [
        template("x y") for template in open_clip.SIMPLE_IMAGENET_TEMPLATES
    ]
    assert {name: len(templates) for name, templates in PROMPTS.items()} == {
        "single": 1, "photo": 1, "ensemble_7": 7, "ensemble_80": 80,
    }  # fmt: skip


def test_an_unknown_set_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"prompts is 'clip'; accepted: single, photo, ensemble_7, ensemble_80"
    ):
        expand("fish", "clip")


def test_synonyms_are_texts_of_one_class():
    assert expand_classes(["sofa, couch", "chair"], "single") == (["sofa", "couch", "chair"], [0, 0, 1])
    texts, classes = expand_classes(["sofa, couch", "chair"], "ensemble_7")
    assert len(texts) == 21
    assert classes == [0] * 14 + [1] * 7
    assert texts[7] == "itap of a couch."


def test_names_as_one_string_or_as_a_list():
    expected = [["sofa", "couch"], ["chair"]]
    assert parse_classes("sofa, couch; chair") == parse_classes("sofa,couch ;chair;") == expected
    assert parse_classes(["sofa, couch", "chair"]) == expected


@pytest.mark.parametrize("names", ["", "sofa;;chair", ["sofa", " , "]])
def test_a_class_without_a_name_is_refused(names):
    with pytest.raises(ValueError, match="has no name"):
        parse_classes(names)
