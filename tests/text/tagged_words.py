"""Tagged words, written down by hand."""

from ovseg_core.text.phrases import Word


def words(text):
    """`red/ADJ dogs:dog/NOUN` -> Word(s)."""
    found = []
    for item in text.split():
        form, _, pos = item.rpartition("/")
        form, _, lemma = form.partition(":")
        found.append(Word(form, lemma or form, pos))
    return found
