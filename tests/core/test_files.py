"""A file appears whole or not at all; a fingerprint depends on content, not on order or time."""

import errno

import pytest

from ovseg_core import files


def test_a_file_takes_its_name_only_at_the_end(tmp_path):
    with files.atomic(tmp_path / "out" / "a.bin") as handle:
        handle.write(b"half")
        assert not (tmp_path / "out" / "a.bin").exists()
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"half"
    assert files.listing(tmp_path / "out", "") == [f"{tmp_path}/out/a.bin"]


def test_a_full_disk_leaves_the_old_file_and_names_the_new_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def write_until_the_disk_is_full():
        with files.atomic(target) as handle:
            handle.write(b"new")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"cannot write .*a\.bin: No space left"):
        write_until_the_disk_is_full()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_sweep_removes_what_a_killed_process_left(tmp_path):
    (tmp_path / f"{files.TEMPORARY}12-a.tar").write_bytes(b"")
    (tmp_path / "a.tar").write_bytes(b"")
    files.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_urls_work_like_folders():
    files.write_json("memory://ovseg/a.json", {"b": 1, "a": 2})
    assert files.read_bytes("memory://ovseg/a.json") == b'{\n  "a": 2,\n  "b": 1\n}\n'
    assert files.listing("memory://ovseg", ".json") == ["memory://ovseg/a.json"]


def test_a_fingerprint_depends_on_values_only():
    assert files.fingerprint({"a": 1, "b": 2}) == files.fingerprint({"b": 2, "a": 1})
    assert files.fingerprint({"a": 1}) != files.fingerprint({"a": 2})
    assert len(files.fingerprint()) == 32


def test_a_copied_folder_has_no_half_written_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("one", "b/two", ".partial-7-one", "b/.partial-7-two"):
        (tmp_path / "a" / name).write_text(name)
    files.copy_folder(tmp_path / "a", tmp_path / "c")
    assert sorted(p.name for p in (tmp_path / "c").rglob("*") if p.is_file()) == ["one", "two"]
