"""A record or file that changed after it was written is not believed; one of an earlier version is, and it is said."""

import json
import os

import pytest
from synthetic import CENTRES, FakeCell, FakeSpec, make_run, measurement, record

import bench
from bench.errors import UsageError
from bench.reports.csv_tables import export
from bench.reports.model import load_report
from bench.runs.resume import History
from bench.store import records
from bench.store.checksums import is_sealed, is_whole, mark_of, sealed, seems_whole
from bench.store.run_store import RunStore

CELLS = [FakeCell("ae", "digits", seed) for seed in range(3)]


@pytest.fixture
def run(tmp_path):
    """Three cells with results."""
    with RunStore.create(tmp_path / "run", FakeSpec(), plan=CELLS) as store:
        for cell in CELLS:
            store.append(record(cell, {"test_mse": measurement(0.25, False)}))
    return tmp_path / "run"


def test_every_change_of_one_byte_is_seen():
    line = sealed(b'{"cell_id":"a","value":0.25}')
    assert is_sealed(line) and is_sealed(line + b"\n") and json.loads(line)["value"] == 0.25
    for place in range(len(line)):
        for other in (line[:place] + b"~" + line[place + 1 :], line[:place] + line[place + 1 :]):
            assert not is_sealed(other), other


def test_a_mark_is_of_the_whole_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    known = mark_of(path)
    assert known == mark_of(path, path.read_bytes()) and known.startswith("3000000-")
    assert is_whole(path, known) and seems_whole(path, known)
    os.utime(path, (1, 1))  # a copy
    assert is_whole(path, known) and seems_whole(path, known)
    for content in (b"x" * 2_999_999 + b"y", b"x" * 2_999_999, b""):
        path.write_bytes(content)
        assert not is_whole(path, known) and not seems_whole(path, known)
    path.unlink()
    for wrong in (known, "text", ""):
        assert not is_whole(path, wrong) and not seems_whole(path, wrong)
    path.mkdir()
    assert not is_whole(path, known) and not seems_whole(path, known)


def test_a_file_that_nobody_wrote_to_since_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    known = mark_of(path)
    monkeypatch.setattr("bench.store.checksums.open_regular", None)
    assert seems_whole(path, known)


def edit(run, line, old, new):
    path = run / "cells.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new)
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.25", "0.15"),
        ('"seed":1', '"seed":0'),
        ('"ok","reason":null,"metrics"', '"error","reason":null,"metrics"'),
        (",", ", "),
    ],
)
def test_a_record_edited_by_hand_is_named_and_left_out(run, old, new):
    edit(run, 1, old, new)
    with pytest.warns(UserWarning, match=r"line 2: changed after it was written"):
        frame = bench.load(run)
    assert set(frame.seed) == {0, 2}
    assert any("line 2: changed" in note for note in frame.attrs["notes"])
    assert any("line 2: changed" in note for note in load_report(run).notes)


def test_a_whole_run_is_loaded_without_a_word(run, recwarn):
    assert len(bench.load(run)) == 3 and not recwarn.list


def test_the_earlier_record_of_a_cell_whose_latest_was_edited_is_out_of_date(run):
    with RunStore.create(run, FakeSpec(), plan=CELLS) as store:
        store.append(record(CELLS[1], {"test_mse": measurement(0.5, False)}))
    assert RunStore.open(run).records()[CELLS[1].cell_id]["metrics"]["test_mse"]["value"] == 0.5
    edit(run, 3, "0.5", "0.4")
    store = RunStore.open(run)
    assert CELLS[1].cell_id not in store.records() and set(store.data().cells.seed) == {0, 2}
    with RunStore.create(run, FakeSpec(), plan=CELLS) as store:
        store.append(record(CELLS[1], {"test_mse": measurement(0.3, False)}))
    assert RunStore.open(run).records()[CELLS[1].cell_id]["metrics"]["test_mse"]["value"] == 0.3


def test_records_of_earlier_versions_are_read_and_it_is_said_once(run):
    path = run / "cells.jsonl"
    plain = [{k: v for k, v in json.loads(line).items() if k != "checksum"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in plain))
    with pytest.warns(UserWarning) as said:
        frame = bench.load(run)
    assert set(frame.seed) == {0, 1, 2}
    assert [str(one.message).partition(": ")[2] for one in said] == [
        "3 record(s) carry no checksum, as earlier versions wrote none: edits are not seen"
    ]
    assert sum("no checksum" in note for note in load_report(run).notes) == 1


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_record_stripped_of_its_checksum_beside_others_is_named_and_done_again(run, line):
    edit(run, line, "0.25", "0.15")
    path = run / "cells.jsonl"
    lines = path.read_text().splitlines()
    lines[line] = json.dumps({k: v for k, v in json.loads(lines[line]).items() if k != "checksum"})
    path.write_text("\n".join(lines) + "\n")
    said = f"line {line + 1}: without a checksum, which other records here carry"
    with pytest.warns(UserWarning, match=said):
        frame = bench.load(run)
    assert set(frame.seed) == {0, 1, 2} - {line} and set(frame.value) == {0.25}
    assert any(said in note for note in load_report(run).notes)
    store = RunStore.open(run)
    history = History.read(store)
    assert CELLS[line].cell_id not in history.latest and len(history.latest) == 2  # which is trained
    assert not any("earlier versions" in note for note in history.notes)
    with RunStore.create(run, FakeSpec(), plan=CELLS) as store:
        store.append(record(CELLS[line], {"test_mse": measurement(0.3, False)}))
    store = RunStore.open(run)
    assert set(store.records()) == {cell.cell_id for cell in CELLS} and not store.damage.notes()


def test_a_record_that_is_read_can_be_written_again_under_its_own_checksum():
    line = records.encode({"schema": 1, **record(CELLS[0])})
    again = records.encode(records.decode(line) | {"reason": "changed"})
    assert records.decode(again)["reason"] == "changed" and records.decode(again)["checksum"] is not None


@pytest.mark.parametrize("change", [lambda lines: lines * 2, sorted, lambda lines: lines[::-1]])
def test_lines_that_are_doubled_or_sorted_otherwise_give_the_same_tables(tmp_path, change):
    for name in ("a", "b"):
        make_run(tmp_path / name, variants=list(CENTRES)[:2], seeds=range(2), with_arrays=False)
    path = tmp_path / "b" / "cells.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    for name in ("a", "b"):
        export(RunStore.open(tmp_path / name))
    assert (tmp_path / "a" / "results.csv").read_bytes() == (tmp_path / "b" / "results.csv").read_bytes()


def test_arrays_that_were_replaced_are_refused_and_named_in_the_report(run):
    with RunStore.create(run, FakeSpec(), plan=CELLS) as store:
        whole = {"history_step": list(range(397)), "history_train_loss": [1.0] * 397}
        for cell in CELLS:
            store.append(record(cell, files={"arrays": store.save_arrays(cell.cell_id, whole)}))
        assert len(store.load_history(CELLS[0].cell_id)["history_step"]) == 397
        shorter = {name: values[:349] for name, values in whole.items()}
        known = store.files_of(CELLS[0].cell_id)
        store.save_arrays(CELLS[0].cell_id, shorter)
        store.arrays_path(CELLS[1].cell_id).unlink()
    store = RunStore.open(run)
    assert store.files_of(CELLS[0].cell_id) == known
    with pytest.raises(UsageError, match=r"is not the file that its cell's record names"):
        store.load_arrays(CELLS[0].cell_id)
    with pytest.raises(UsageError, match="cannot read"):
        store.load_arrays(CELLS[1].cell_id)
    assert store.load_history(CELLS[0].cell_id) == {}
    (note,) = [note for note in load_report(run).notes if "files are gone" in note]
    assert "arrays of ae on digits with seed 0; arrays of ae on digits with seed 1; the same" in note


def test_two_trainings_of_one_seed_without_a_plan_are_one_line(run):
    other = FakeCell("ae", "digits", 0)
    with RunStore.create(run, FakeSpec()) as store:
        store.append(record(other, cell_id="f" * 16))
    (run / "plan.json").unlink()
    for read in (bench.load, load_report):
        with pytest.raises(
            UsageError, match=r"two trainings of ae on digits with seed 0, of other settings .*plan\.json"
        ):
            read(run)


def test_a_bad_environment_stops_neither_the_report_nor_the_run(run):
    (run / "environment.json").write_text("[1, 2")
    assert any("hardware and versions are not known: " in note for note in load_report(run).notes)
    with RunStore.create(run, FakeSpec(), plan=CELLS) as store:
        store.save_environment({"python": "3.12"}, "e1")
    assert set(RunStore.open(run).environments()) == {"e1"}
