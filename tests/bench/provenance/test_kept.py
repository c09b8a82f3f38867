"""What is kept of sources is what they hold, and a file that cannot be used is as good as none."""

import sys

import pytest

from bench.provenance import source
from bench.provenance.closure import package_file
from bench.provenance.kept import Kept


@pytest.fixture
def finder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / "finder.py"
    path.write_text("x = 1\n")
    (tmp_path / "__pycache__").mkdir()
    return path


def test_entries_survive_until_the_code_that_made_them_changes(finder):
    kept = Kept(finder)
    assert kept.get("a") is None
    kept.set("a", [1, ["b"]])
    kept.save()
    assert Kept(finder).get("a") == [1, ["b"]]
    finder.write_text("x = 2\n")
    assert Kept(finder).get("a") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"by": 1}', b'{"by": 1, "entries": 3}'])
def test_a_damaged_file_and_a_folder_that_is_not_there_are_no_obstacle(finder, content):
    kept = Kept(finder)
    kept.path.write_bytes(content)
    assert kept.get("a") is None
    kept.path.unlink()
    kept.path.parent.rmdir()
    kept.set("a", 1)
    kept.save()
    assert kept.get("a") == 1 and not kept.path.exists()


@pytest.mark.parametrize("module", ["bench", "bench.train.loop", "bench.evaluate.model_view"])
def test_what_is_kept_equals_what_is_found(finder, module, monkeypatch):
    path = package_file(module)
    monkeypatch.setattr(source, "KEPT", Kept(finder))
    first = source._read.__wrapped__(path, None)
    source.KEPT.save()
    monkeypatch.setattr(source, "KEPT", Kept(finder))
    monkeypatch.setattr(source, "_found", None)
    assert source._read.__wrapped__(path, None) == first


def test_an_entry_of_another_shape_is_found_anew(finder, monkeypatch):
    path = package_file("bench.seeding")
    monkeypatch.setattr(source, "KEPT", Kept(finder))
    expected = source._found(path.read_bytes())
    for bad in (3, [], ["digest", [3]], ["digest", [["m", 0]]]):
        monkeypatch.setattr(source.KEPT, "get", lambda name, bad=bad: bad)
        assert source._read.__wrapped__(path, None) == expected, bad
