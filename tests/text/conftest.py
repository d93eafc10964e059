import pytest

from ovseg_core.text.pipeline import CaptionParser


@pytest.fixture(scope="session")
def parser():
    """The lexicon's parser: building it takes seconds."""
    return CaptionParser("lexicon")
