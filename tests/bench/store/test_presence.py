"""What vanished from under a run is noticed at the next write, and nothing is made anew in its place."""

import shutil

import pytest
from synthetic import FakeCell, FakeSpec, record

from bench.errors import UsageError
from bench.store.run_store import RunStore

CELLS = [FakeCell("ae", "digits", seed) for seed in range(2)]

ACCIDENTS = {
    "the folder removed": (lambda run: shutil.rmtree(run), "run is gone"),
    "the folder moved": (lambda run: run.rename(run.parent / "moved"), "run is gone"),
    "another folder": (
        lambda run: (run.rename(run.parent / "moved"), shutil.copytree(run.parent / "moved", run)),
        "run is another one than this run opened",
    ),
    "records removed": (lambda run: (run / "cells.jsonl").unlink(), r"cells\.jsonl is gone"),
    "records replaced": (
        lambda run: ((run / "old").write_bytes(b""), (run / "old").rename(run / "cells.jsonl")),
        r"cells\.jsonl is another one",
    ),
    "the lock removed": (lambda run: (run / ".lock").unlink(), r"\.lock is gone"),
    "checkpoints removed": (lambda run: shutil.rmtree(run / "checkpoints"), "checkpoints is gone"),
    "arrays removed": (lambda run: shutil.rmtree(run / "arrays"), "arrays is gone"),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_what_vanished_is_named_and_not_made_anew(tmp_path, accident):
    happens, said = ACCIDENTS[accident]
    with RunStore.create(tmp_path / "run", FakeSpec(), plan=CELLS) as store:
        store.append(record(CELLS[0]))
        happens(tmp_path / "run")
        before = sorted(path for path in tmp_path.rglob("*"))
        writes = (
            lambda: store.append(record(CELLS[1])),
            lambda: store.save_arrays("c1", {"x": [1.0]}),
            lambda: store.save_checkpoint("c1", {}, {}),
            lambda: store.save_environment({}, "e"),
            lambda: store.save_plan(CELLS),
            store.check_presence,
        )
        for write in writes:
            with pytest.raises(UsageError, match=said) as raised:
                write()
            assert "\n" not in str(raised.value)
        assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_folder_that_is_put_back_is_written_to_again(tmp_path):
    with RunStore.create(tmp_path / "run", FakeSpec(), plan=CELLS) as store:
        (tmp_path / "run").rename(tmp_path / "moved")
        with pytest.raises(UsageError, match="put it back"):
            store.append(record(CELLS[0]))
        (tmp_path / "moved").rename(tmp_path / "run")
        store.append(record(CELLS[0]))
    assert len(RunStore.open(tmp_path / "run").records()) == 1
