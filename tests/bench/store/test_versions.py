"""Versions of cells: what words after an @ mean, and files that are kept aside, back and never mixed up."""

import pytest
from synthetic import FakeCell, FakeSpec, record

from bench.errors import UsageError
from bench.store.run_store import RunStore
from bench.store.versions import bring_back, folders, forget, keep_aside, other_version, split_version, version_of

CELLS = [FakeCell("ae", "digits", 0), FakeCell("vae", "digits", 0)]
A, B, C = "a" * 16, "b" * 16, "abcd" + "c" * 12


def run_of(path, *made):
    """A run whose records are (position of the cell, code hash, λ), in order."""
    with RunStore.create(path, FakeSpec(), plan=CELLS) as store:
        for place, code, weight in made:
            store.append(record(CELLS[place], {}, code_hash=code, data_hash="d" * 16, kl_weight=weight))
    return path


def weights(path):
    return {cell: entry["kl_weight"] for cell, entry in RunStore.open(path).records().items()}


def read(path):
    found = weights(path)
    return [found[cell.cell_id] for cell in CELLS if cell.cell_id in found]


def test_before_is_the_version_before_the_last_edit_of_each_cell(tmp_path):
    run = run_of(tmp_path / "run", (0, A, 1), (1, A, 2), (1, B, 3), (1, C, 4), (1, C, 5))
    assert read(run) == [1, 5]
    assert read(f"{run}@before") == [1, 3]
    assert read(f"{run}@bbbb") == [1, 3] and read(f"{run}@aaaa") == [1, 2] and read(f"{run}@abcd") == [1, 5]


def test_before_a_reverted_edit_is_the_edit(tmp_path):
    run = run_of(tmp_path / "run", (1, A, 1), (1, B, 2), (1, A, 3))
    assert read(run) == [3] and read(f"{run}@before") == [2]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("before", "no cell with an earlier version"),
        ("ffff", "no cell made by code ffff"),
        ("yesterday", "after the @"),
    ],
)
def test_a_version_that_is_not_there_is_one_line(tmp_path, word, expected):
    run = run_of(tmp_path / "run", (0, A, 1), (1, B, 2))
    with pytest.raises(UsageError, match=expected) as raised:
        RunStore.open(f"{run}@{word}")
    assert "\n" not in str(raised.value)


def test_a_folder_with_an_at_in_its_name_is_itself(tmp_path):
    run = run_of(tmp_path / "run@before", (0, A, 1))
    assert split_version(run) == (run, None) and read(run) == [1]
    with pytest.raises(UsageError, match="there is no directory"):
        RunStore.open(tmp_path / "gone@before")


def test_files_go_aside_and_come_back(tmp_path):
    place = tmp_path / "checkpoints" / "cell.safetensors"
    place.parent.mkdir()
    place.write_text("first")
    keep_aside(tmp_path, "cell", "a-d")
    assert not place.exists() and folders(tmp_path, {"cell": "a-d", "other": "a-d"}) == {
        "cell": tmp_path / "versions" / "a-d"
    }
    place.write_text("second")
    keep_aside(tmp_path, "cell", "b-d")
    bring_back(tmp_path, "cell", "a-d")
    assert place.read_text() == "first" and not (tmp_path / "versions" / "a-d").exists()
    forget(tmp_path, "cell", "b-d")
    assert folders(tmp_path, {"cell": "b-d"}) == {}


def test_what_a_killed_run_left_in_place_does_not_take_the_place_of_what_is_aside(tmp_path):
    place = tmp_path / "checkpoints" / "cell.safetensors"
    place.parent.mkdir()
    place.write_text("old")
    keep_aside(tmp_path, "cell", "old")
    place.write_text("new, never recorded")
    keep_aside(tmp_path, "cell", "old")
    bring_back(tmp_path, "cell", "old")
    assert place.read_text() == "old"


def test_data_that_a_record_does_not_know_are_no_other_version():
    known, unknown = {"code_hash": A, "data_hash": "d"}, {"code_hash": A, "data_hash": None}
    assert not other_version(known, unknown) and not other_version(unknown, known)
    assert other_version(known, {**known, "data_hash": "e"}) and other_version(known, {**known, "code_hash": B})
    assert version_of({"code_hash": "../x", "data_hash": "ab"}) == "ab"
