"""The run directory: what is written comes back, crashes lose nothing, foreign and hostile files are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import FakeCell, FakeSpec, make_run, measurement, record

from bench.errors import UsageError
from bench.reports.csv_tables import export
from bench.store import records
from bench.store.array_files import ARRAY_BYTES
from bench.store.run_store import RunStore

CELLS = [FakeCell("ae", "digits", seed) for seed in range(3)]
pytestmark = pytest.mark.filterwarnings("error")


def new_store(path: Path) -> RunStore:
    return RunStore.create(path / "run", FakeSpec(), plan=CELLS)


def test_records_come_back_and_the_later_one_wins(tmp_path):
    with new_store(tmp_path) as store:
        store.append(record(CELLS[0], status="error", reason="first try"))
        store.append(record(CELLS[1], {"test_mse": measurement(0.5, False)}))
        store.append(record(CELLS[0], {"test_mse": measurement(0.25, False)}))
    found = RunStore.open(tmp_path / "run").records()
    assert list(found) == [CELLS[0].cell_id, CELLS[1].cell_id]
    assert found[CELLS[0].cell_id]["status"] == "ok"
    assert found[CELLS[0].cell_id]["metrics"]["test_mse"]["value"] == 0.25


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), -np.inf])
def test_no_nan_reaches_the_file_and_it_is_explained(tmp_path, value):
    with new_store(tmp_path) as store:
        store.append(record(CELLS[0], {"test_mse": measurement(value, False)}, t_train=float("nan")))
    text = (tmp_path / "run" / "cells.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    stored = json.loads(text)
    assert stored["t_train"] is None
    entry = stored["metrics"]["test_mse"]
    assert entry["value"] is None and entry["status"] == "n/a" and str(float(value)) in entry["reason"]


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_last_line_is_set_aside_and_the_rest_survives(tmp_path, cut):
    with new_store(tmp_path) as store:
        for cell in CELLS:
            store.append(record(cell))
    path = tmp_path / "run" / "cells.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    kept = 3 if cut == 1 else 2  # without its newline alone the last record is still whole
    assert len(RunStore.open(tmp_path / "run").records()) == kept
    with new_store(tmp_path) as store:
        store.append(record(CELLS[2], reason="again"))
        assert len(store.records()) == 3
        assert not store.damage.lines
    assert path.read_bytes().count(b"\n") == (4 if cut == 1 else 3)
    if cut > 1:
        lines = whole.splitlines(keepends=True)
        assert (tmp_path / "run" / "cells.jsonl.torn").read_bytes() == lines[-1][:-cut] + b"\n"


def test_a_folder_read_while_it_is_written_holds_the_records_that_are_whole_and_is_left_alone(tmp_path):
    with new_store(tmp_path) as store:
        for cell in CELLS:
            store.append(record(cell))
    path = tmp_path / "run" / "cells.jsonl"
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in sorted({*range(0, len(whole), 17), *ends, *(end - 1 for end in ends)}):
        path.write_bytes(whole[:cut])
        expected = sum(cut >= end - 1 for end in ends)  # a record without its newline is whole
        assert len(RunStore.open(tmp_path / "run").records()) == expected, cut
        assert path.read_bytes() == whole[:cut] and not (tmp_path / "run" / "cells.jsonl.torn").exists()


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    with new_store(tmp_path) as store:
        for cell in CELLS:
            store.append(record(cell))
    path = tmp_path / "run" / "cells.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00\xff garbage\n" + lines[2])
    data = RunStore.open(tmp_path / "run").data()
    assert len(data.cells) == 2
    assert any("line 2" in note for note in data.notes)
    assert any("1 of 3 planned cells" in note for note in data.notes)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_never_crash_and_never_pass_silently(content):
    try:
        decoded = records.decode(content)
    except (ValueError, UsageError):
        return
    assert decoded["schema"] == 1 and decoded["cell_id"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=200, deadline=None)
def test_any_json_in_any_field_is_checked(value):
    for key in ("metrics", "seed", "cell_id", "status", "t_train", "variant", "split", "schema"):
        line = json.dumps({**record(CELLS[0]), key: value}).encode()
        try:
            decoded = records.decode(line)
        except (ValueError, UsageError):
            continue
        records.encode(decoded)  # what is accepted can be written again


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "fine"}, "status"),
        ({"seed": 1.5}, "seed"),
        ({"cell_id": "../../etc/passwd"}, "cell_id"),
        ({"metrics": {"m": measurement(None)}}, "without a reason"),
        ({"metrics": {"m": measurement(1.0, status="good")}}, "status"),
        ({"metrics": {"m": measurement("1")}}, "not a number"),
    ],
)
def test_a_wrong_record_is_refused_before_it_is_written(tmp_path, change, message):
    with new_store(tmp_path) as store:
        with pytest.raises(ValueError, match=message):
            store.append(record(CELLS[0], **change))
        assert store.records() == {}


def test_a_newer_schema_is_one_clear_line(tmp_path):
    with new_store(tmp_path) as store:
        store.append(record(CELLS[0]))
    path = tmp_path / "run" / "cells.jsonl"
    path.write_text(path.read_text().replace('"schema":1', '"schema":2'))
    with pytest.raises(UsageError, match=r"newer aebench.*schema 2"):
        RunStore.open(tmp_path / "run").records()


def test_a_second_writer_is_refused_with_the_first_named(tmp_path):
    with new_store(tmp_path), pytest.raises(UsageError, match=f"pid {os.getpid()} on .*, started 2"):
        new_store(tmp_path)
    new_store(tmp_path).close()  # free again


def test_the_lock_dies_with_its_process_even_when_a_forked_child_lives_on(tmp_path):
    script = f"""
        import os, sys, time
        sys.path[:0] = {[str(Path(p)) for p in sys.path if p]!r}
        from synthetic import FakeSpec
        from bench.store.run_store import RunStore
        store = RunStore.create({str(tmp_path / "run")!r}, FakeSpec())
        if os.fork() == 0:
            print("locked", flush=True)  # the child says so: before it runs, its copy of the lock is still open
            time.sleep(30)
            os._exit(0)
        time.sleep(30)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout.readline().strip() == "locked"
        with pytest.raises(UsageError, match=f"pid {process.pid} "):
            new_store(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        new_store(tmp_path).close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_reading_needs_no_lock_and_cannot_write(tmp_path):
    with new_store(tmp_path) as store:
        reader = RunStore.open(store.directory)
        with pytest.raises(UsageError, match="opened for reading"):
            reader.append(record(CELLS[0]))


def test_a_foreign_directory_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("important")
    with pytest.raises(UsageError, match="holds no run"):
        new_store(tmp_path)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_missing_and_empty_directories_are_one_line(tmp_path):
    with pytest.raises(UsageError, match="no directory"):
        RunStore.open(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no run"):
        RunStore.open(tmp_path)


def test_a_full_disk_is_one_line_and_leaves_no_half_record(tmp_path, monkeypatch):
    with new_store(tmp_path) as store:
        store.append(record(CELLS[0]))
        before = store.cells_path.read_bytes()
        real = os.write
        calls = iter([20])

        def failing(handle, content):
            for size in calls:
                return real(handle, bytes(content)[:size])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", failing)
        with pytest.raises(UsageError, match="No space left on device; free some space"):
            store.append(record(CELLS[1]))
        monkeypatch.undo()
        assert store.cells_path.read_bytes() == before
        store.append(record(CELLS[1]))
        assert len(store.records()) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_one_line(tmp_path):
    (tmp_path / "run").mkdir(mode=0o555)
    with pytest.raises(UsageError, match="Permission denied"):
        new_store(tmp_path)


def test_a_path_through_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="give another directory"):
        RunStore.create(tmp_path / "file" / "run", FakeSpec())


def test_atomic_writes_leave_the_old_file_when_they_fail(tmp_path):
    from bench.files import atomic_file

    path = tmp_path / "summary.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_spec_and_plan_and_environment_come_back(tmp_path):
    with new_store(tmp_path) as store:
        store.save_environment({"python": "3.11"}, "e1")
        store.save_environment({"python": "3.12"}, "e2")
        assert store.previous_spec is None
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "other"})) as store:
        assert store.previous_spec["name"] == "synthetic"
    reader = RunStore.open(tmp_path / "run")
    assert reader.spec == {"name": "other"}
    assert [cell["cell_id"] for cell in reader.load_plan()] == [cell.cell_id for cell in CELLS]
    assert set(reader.environments()) == {"e1", "e2"}


def test_a_run_that_several_versions_or_devices_computed_says_so(tmp_path):
    versions = {"torch": "2.6", "scipy": "1.11", "aebench": "1"}
    with new_store(tmp_path) as store:
        for name, more in {"e1": {}, "e2": {"aebench": "2"}, "e3": {"torch": "2.14"}, "e4": None}.items():
            store.save_environment({"packages": {} if more is None else versions | more}, name)
        said = []
        for cell, key, device in zip(CELLS, ("e1", "e2", "e3"), ("cpu", "cpu", "cuda:1"), strict=True):
            store.append(record(cell, env_hash=key, device=device))
            said.append([note for note in store.data().notes if "several" in note])
        assert said[:2] == [[], []]
        (line,) = said[2]
        assert "torch (2.14 and 2.6), kinds of device (cpu and cuda);" in line and "--force" in line
        store.append(record(CELLS[2], env_hash="e4", device="cpu"))
        assert not [note for note in store.data().notes if "several" in note]
        store.append(record(CELLS[2], env_hash="e3", status="error", reason="no result"))
        (tmp_path / "run" / "environment.json").write_text("{")
        assert "several" not in str(store.data().notes)


@pytest.mark.parametrize(
    "content", ["[1, 2", "- a\n- b", "!!python/object/apply:os.system ['true']", "a: &a [*a, *a]\nb: ["]
)
def test_a_damaged_or_hostile_spec_is_one_line(tmp_path, content):
    new_store(tmp_path).close()
    (tmp_path / "run" / "spec.yaml").write_text(content)
    with pytest.raises(UsageError, match=r"spec\.yaml is damaged"):
        RunStore.open(tmp_path / "run")


def test_checkpoints_round_trip_for_numpy_and_torch(tmp_path):
    torch = pytest.importorskip("torch")
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "scalar": np.array(2.5, dtype=np.float64)}
    tensors = {**weights, "b": torch.arange(4.0)[::2], "flags": torch.tensor([True, False])}
    with new_store(tmp_path) as store:
        store.save_checkpoint("c1", tensors, {"seed": 3, "bound": float("inf")})
        loaded, meta = store.load_checkpoint("c1")
        assert meta == {"seed": 3, "bound": None}
        assert {name: (values.shape, str(values.dtype)) for name, values in loaded.items()} == {
            "a": ((2, 3), "float32"), "scalar": ((), "float64"), "b": ((2,), "float32"), "flags": ((2,), "bool"),
        }  # fmt: skip
        assert np.array_equal(loaded["b"], [0.0, 2.0])
        store.checkpoint_path("c1").unlink()
        with pytest.raises(UsageError, match="cannot read"):
            store.load_checkpoint("c1")


@given(content=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_arbitrary_bytes_are_no_checkpoint_and_no_arrays(tmp_path_factory, content):
    from bench.store.array_files import load_arrays, load_tensors

    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    for load in (load_tensors, load_arrays):
        with pytest.raises(UsageError):
            load(path)


def test_arrays_round_trip_with_shapes_types_and_order(tmp_path):
    arrays = {
        "x": np.arange(12.0).reshape(3, 4),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "s": np.array(1.5),
    }
    with new_store(tmp_path) as store:
        store.save_arrays("c1", arrays)
        loaded = store.load_arrays("c1")
        assert list(store.load_arrays("c1", "x")) == ["x"]
        assert store.load_arrays("c2") == {}
    for name, values in arrays.items():
        assert loaded[name].dtype == values.dtype and loaded[name].shape == values.shape
        assert np.array_equal(loaded[name], values)


def test_arrays_are_capped_and_hold_no_objects(tmp_path):
    with new_store(tmp_path) as store:
        with pytest.raises(ValueError, match="at most"):
            store.save_arrays("c1", {"x": np.zeros(ARRAY_BYTES + 1, dtype=np.uint8)})
        with pytest.raises(ValueError, match="objects"):
            store.save_arrays("c1", {"x": np.array([{}], dtype=object)})


def npy_header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape})
    text = text + " " * (63 - (10 + len(text)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "member",
    [
        npy_header((10**12,)),  # absurd size in the header
        npy_header((-1,)),
        npy_header((2,)) + b"\x00" * 4,  # fewer bytes than stated
        npy_header((1,), "|O") + b"\x80\x04N.",  # a pickle
        b"not an array",
    ],
)
def test_hostile_arrays_are_refused(tmp_path, member):
    with new_store(tmp_path) as store:
        path = store.arrays_path("c1")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", member)
        with pytest.raises(UsageError, match="damaged"):
            store.load_arrays("c1")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    with new_store(tmp_path) as store:
        with zipfile.ZipFile(store.arrays_path("c1"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", b"\x00" * (ARRAY_BYTES * 2))
        assert store.arrays_path("c1").stat().st_size < 2**20
        with pytest.raises(UsageError, match="unpacks to more"):
            store.load_arrays("c1")


@pytest.mark.parametrize("identifier", ["../x", "a/b", "", "a" * 65, "..", "\x1b[31m", "c\x00"])
def test_ids_cannot_leave_the_directory(tmp_path, identifier):
    with new_store(tmp_path) as store:
        for path in (store.checkpoint_path, store.arrays_path):
            with pytest.raises(UsageError, match="not a cell id"):
                path(identifier)


def test_a_resumed_run_gives_the_same_tables_whatever_the_order(tmp_path):
    make_run(tmp_path / "a", with_arrays=False, seeds=range(3))
    make_run(tmp_path / "b", with_arrays=False, seeds=range(3))
    lines = (tmp_path / "b" / "cells.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "b" / "cells.jsonl").write_bytes(b"".join([lines[3], *lines[::-1]]))
    for name in ("results.csv", "summary.csv"):
        for run in ("a", "b"):
            export(RunStore.open(tmp_path / run))
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_half_of_a_surrogate_pair_is_read_as_a_question_mark_and_a_whole_one_as_what_it_is(tmp_path):
    with new_store(tmp_path) as store:
        store.append(record(CELLS[0], reason="\ud83e\udd95 \ud800"))
    (found,) = RunStore.open(tmp_path / "run").records().values()
    assert found["reason"] == "\N{SAUROPOD} ?"
    assert list(RunStore.open(tmp_path / "run").data().cells["reason"]) == [found["reason"]]
