import io

import numpy as np
from PIL import Image

from ovseg_core.benchmarks import folder as benchmarks
from ovseg_core.web.benchmark_writer import Annotated, Description, encode_mask, voc_palette, write_benchmark
from ovseg_core.web.faults import jpeg

CLASSES = np.array([[0, 1], [-1, 1]])
IMAGE = jpeg(np.zeros((2, 2, 3), np.uint8))


def write(folder, ids, **changes):
    given = {"name": "b", "names": ["cat, kitten", "grass"], "kinds": ["thing", "stuff"], "protocol": "all"}
    images = [Annotated(id=i, jpeg=IMAGE, classes=CLASSES, held_out=i == "held") for i in ids]
    return write_benchmark(folder, Description(**{**given, **changes}), images)


def test_the_evaluation_reads_what_was_written(tmp_path):
    assert write(tmp_path, ["one", "held"], subsets={"soft": ["cat"]}) == 2
    read = benchmarks.read(tmp_path)
    assert read.ids == ["one", "held"]
    assert (read.names, read.kinds) == (["cat, kitten", "grass"], ["thing", "stuff"])
    assert (read.held_out, read.subsets, read.background) == (frozenset({"held"}), {"soft": [0]}, None)
    assert read.truth("one", (2, 2)).tolist() == [[0, 1], [65535, 1]]
    assert read.image("one").shape == (2, 2, 3)


def test_images_of_an_earlier_run_go(tmp_path):
    write(tmp_path, ["one", "two"])
    write(tmp_path, ["one"])
    assert sorted(path.name for path in tmp_path.rglob("*.??g")) == ["one.jpg", "one.png"]


def test_the_same_images_give_the_same_bytes(tmp_path):
    write(tmp_path / "a", ["one"])
    write(tmp_path / "b", ["one"])
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_large_vocabularies_get_16_bits():
    wide = Image.open(io.BytesIO(encode_mask(np.array([[299, -1]]), 300)))
    assert np.asarray(wide).tolist() == [[299, 65535]]
    narrow = Image.open(io.BytesIO(encode_mask(np.array([[254, -1]]), 255)))
    assert (narrow.mode, np.asarray(narrow).tolist()) == ("P", [[254, 255]])


def test_palette_is_that_of_voc():
    palette = np.frombuffer(voc_palette(), np.uint8).reshape(256, 3).tolist()
    assert palette[0] == [0, 0, 0]
    assert palette[1] == [128, 0, 0]  # aeroplane
    assert palette[15] == [192, 128, 128]  # person
    assert palette[20] == [0, 64, 128]  # tv monitor
    assert palette[255] == [224, 224, 192]  # void
