"""Which nouns of the corpus are entities, and why the others are not."""

import pyarrow as pa
import pyarrow.compute as pc

from ovseg_core.text.visible import why_left_out


def choice(vocabulary: pa.Table, seen: pa.Table, frequent: pa.Array) -> pa.Table:
    """`noun, documents, entity (bool), reason` of the corpus's nouns and entities, most frequent first.

    Args:
        vocabulary: `word, part, documents`.
        seen: `word, documents` of every entity that a caption names.
        frequent: those of them that count.

    The reason is a rule of `visible`, `too_rare` for an entity that is, or `not_in_the_set`: a name, a
    misspelling, or what a named set does not list.
    """
    words = vocabulary.filter(pc.equal(vocabulary["part"], "noun")).select(["word", "documents"])
    others = words.filter(pc.invert(pc.is_in(words["word"], value_set=seen["word"])))
    table = pa.concat_tables(
        [seen.select(["word", "documents"]), others.cast(seen.select(["word", "documents"]).schema)]
    )
    names = table["word"].to_pylist()
    entity = pc.is_in(table["word"], value_set=frequent).to_pylist()
    known = set(seen["word"].to_pylist())
    reasons = [
        "" if is_one else "too_rare" if name in known else why_left_out(name) or "not_in_the_set"
        for name, is_one in zip(names, entity, strict=True)
    ]
    columns = {"noun": names, "documents": table["documents"], "entity": entity, "reason": reasons}
    return pa.table(columns).sort_by([("documents", "descending"), ("noun", "ascending")])
