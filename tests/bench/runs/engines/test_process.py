"""Child processes: limits, warmth, shared arrays; memory as the container allows it."""

import os
import signal
import subprocess
import sys
import threading
import types
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from runs import SMALL, assert_same_tables, execute, records, resolved, wait_for

from bench.contracts.dataset import Split
from bench.data.split_arrays import split_arrays
from bench.errors import UsageError
from bench.runs.cells.task import CellResult, StackTask
from bench.runs.engines import child_process, limits, make_engine, process, process_pool
from bench.runs.engines.inline import InlineEngine
from bench.runs.engines.process import ProcessEngine
from bench.runs.engines.shared_arrays import pack, unpack
from bench.runs.progress import Progress
from bench.runs.result_writer import Keeper
from bench.spec.call import Call
from bench.spec.registry import ARRAYS, Registry
from bench.spec.request import resolve
from bench.spec.run import RunOptions, RunSpec
from bench.store.sources import Sources

pytestmark = pytest.mark.usefixtures("one_thread", "no_report")


@pytest.fixture
def born(monkeypatch):
    """Every child process that is started."""
    started = []
    begin = child_process.Child.__init__

    def noted(self, *arguments):
        begin(self, *arguments)
        started.append(self)

    monkeypatch.setattr(child_process.Child, "__init__", noted)
    return started


def test_jobs_or_a_timeout_mean_child_processes():
    assert isinstance(make_engine(resolved(RunOptions())), InlineEngine)
    for options in (RunOptions(n_jobs=2), RunOptions(timeout=5.0)):
        run = resolved(options, RunSpec().cells(Registry.discover()))
        assert isinstance(make_engine(run), ProcessEngine)


def test_one_warm_child_serves_the_checks_and_every_stack(tmp_path, born):
    execute(tmp_path / "child", variant=["ae", "vae", "vae[beta=2]"], timeout=120)
    assert len(born) == 1 and born[0].process.returncode is not None
    execute(tmp_path / "inline", variant=["ae", "vae", "vae[beta=2]"])
    assert_same_tables(tmp_path / "child", tmp_path / "inline")
    assert {record["workers"] for record in records(tmp_path / "child").values()} == {1}


def test_arrays_reach_children_without_a_copy_each(tmp_path, born):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", rng.standard_normal((300, 6)).astype(np.float32))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for name, data in (("array", rng.standard_normal((300, 6))), ("mapped", mapped)):
        split = split_arrays(data, np.arange(300) % 3)
        settings = {"dataset": [Call(ARRAYS, {"checksum": split.checksum()})], "arrays": split}
        execute(tmp_path / f"{name}-child", n_jobs=2, **settings)
        execute(tmp_path / f"{name}-inline", **settings)
        assert_same_tables(tmp_path / f"{name}-child", tmp_path / f"{name}-inline")
    assert all(child.process.returncode is not None for child in born)


def test_packed_arrays_come_back_equal_read_only_and_mapped_ones_stay_in_their_file(tmp_path):
    rows = np.arange(600, dtype=np.float32).reshape(100, 6)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    split = Split(mapped[10:60], mapped[60:80], rows[80:], np.arange(50), np.arange(20), np.arange(20))
    with pack(split) as packed:
        assert len(packed.index) < 4000 and sum(length for _, length in packed.places) < 2000
        found = unpack(packed.index, packed.places, packed.file.fileno())
        for part in ("train", "validation", "test"):
            assert np.array_equal(getattr(found, part), getattr(split, part))
            assert np.array_equal(getattr(found, f"{part}_labels"), getattr(split, f"{part}_labels"))
        assert isinstance(found.train, np.memmap) and str(found.train.filename) == str(mapped.filename)
        assert not isinstance(found.test, np.memmap) and not found.test.flags.writeable
        strided = Split(mapped[::2], mapped[:2], mapped[2:4])
        with pack(strided) as again:
            assert np.array_equal(unpack(again.index, again.places, again.file.fileno()).train, mapped[::2])
    assert found.checksum() == split.checksum()


def test_a_child_that_never_gets_ready_is_given_up(tmp_path, monkeypatch, born):
    monkeypatch.setattr(child_process, "START_LIMIT", 0.5)
    monkeypatch.setattr(child_process, "BOOTSTRAP", "import time; time.sleep(3600)")
    execute(tmp_path / "run", variant=["ae"], seeds=1, timeout=60)
    (record,) = records(tmp_path / "run").values()
    assert record["status"] == "killed" and "was not ready within" in record["reason"]
    assert all(child.process.returncode == -signal.SIGKILL for child in born)


GREEDY = """
import functools
import time
import numpy as np
from bench import Variant
@functools.cache
def ballast():
    time.sleep(1)
    return np.ones(150_000_000)


class Greedy(Variant):
    def loss(self, batch, draw):
        ballast()
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}
    def encode(self, x):
        return self.encoder(x)
"""


@pytest.mark.parametrize(("all_of_it", "status"), [(4 << 30, "ok"), (1 << 30, "oom")])
def test_what_takes_more_than_its_share_of_memory_is_tried_again_alone(tmp_path, monkeypatch, all_of_it, status):
    """1.2 GB where a worker may take 1 GiB; alone it may take all there is."""
    (tmp_path / "greedy.py").write_text(GREEDY)
    asked = []
    monkeypatch.setattr(process, "memory_ceiling", lambda n: asked.append(n) or (1 << 30 if n > 1 else all_of_it))
    settings = {"variant": ["ae", "greedy"], "plugins": [tmp_path / "greedy.py"], "seeds": 1, "n_jobs": 2}
    execute(tmp_path / "run", **settings)
    found = {name: record["status"] for (name, _), record in records(tmp_path / "run").items()}
    assert (found, asked) == ({"ae": "ok", "greedy": status}, [2, 1])


def test_a_child_and_what_it_started_end_together():
    child = child_process.Child((), None, 1)
    wait_for(lambda: psutil.Process(child.process.pid).num_threads() > 1)
    assert os.getpgid(child.process.pid) == child.process.pid != os.getpgid(0)
    child.close()
    assert child.process.returncode == -signal.SIGKILL and not child.usable
    child.end("killed", "again")  # its number is free: nothing may be sent there
    assert child.death() == ("killed", "again")


def test_used_memory_leaves_mapped_files_out_and_a_dead_process_uses_none(tmp_path):
    np.save(tmp_path / "large.npy", np.ones(8_000_000))
    used = {}
    for name, program in (
        ("mapped", "x = np.load(sys.argv[1], mmap_mode='r')"),
        ("own", "x = np.load(sys.argv[1])"),
    ):
        program = f"import sys, numpy as np; {program}; print(x.sum(), flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "large.npy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"8000000.0\n"
            view = psutil.Process(process.pid)
            used[name] = limits.used_memory(view)
            process.stdin.close()
            process.wait()
            assert limits.used_memory(view) == 0
    assert 50_000_000 < used["own"] - used["mapped"] < 80_000_000


def test_results_that_cannot_be_stored_are_a_failed_cell_and_not_a_failed_run(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    (record,) = records(tmp_path / "run").values()
    keeper = object.__new__(Keeper)
    kept = []
    store = SimpleNamespace(append=lambda entry: kept.append(entry), save_arrays=_refuse)
    marks = {"code_hash": "c", "metrics_hash": "m"}
    prints = SimpleNamespace(of_record=lambda entry: marks, files_of=lambda entry: {}, metrics_code={})
    prints.texts_of = lambda entry, known: {}
    keeper._sources = Sources({})
    keeper._store, keeper._fingerprints, keeper._provenance = store, prints, {"run_id": "r"}
    keeper._earlier, keeper._latest = {}, {}
    keeper.statuses, keeper.outdated, heard = {}, set(), []
    keeper._kept = heard.append
    found = keeper.keep(CellResult(record, arrays={"codes": np.zeros(3)}))
    assert found["status"] == kept[0]["status"] == "error" and "metrics" not in found
    assert found["reason"] == "its results cannot be stored: ValueError: too many bytes"
    assert keeper.statuses == {record["cell_id"]: "error"} and heard == [found]


def test_ctrl_c_before_a_stack_has_begun_starts_none(tmp_path, monkeypatch):
    """While torch is loaded, here or in a child, nothing runs that could be finished."""
    stop, before = SimpleNamespace(requested=False, ended_by=0), set(psutil.Process().children())
    run = resolve({**SMALL, "output": tmp_path / "run"})
    tasks = [StackTask(run.cells[:2])]

    class Loaded(types.ModuleType):
        def __getattr__(self, name):
            stop.requested = True
            return None

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "bench.runs.cells.training_state", Loaded("loaded"))
        engine = InlineEngine(SimpleNamespace(threads=1), "cpu", run.registry, None)
        assert list(engine.run(tasks, Progress(2, quiet=True), stop)) == []
    assert stop.requested
    stop.requested = False
    assign = process_pool.Crew.assign

    def assigned(self, task):
        child = assign(self, task)
        stop.requested = True
        return child

    monkeypatch.setattr(process_pool.Crew, "assign", assigned)
    plan = SimpleNamespace(threads=1, workers=1)
    with ProcessEngine(plan, "cpu", None, (), run.registry, None) as engine:
        assert list(engine.run(tasks, Progress(2, quiet=True), stop)) == []
    assert not set(psutil.Process().children()) - before


def _refuse(*_):
    raise ValueError("too many bytes")


def test_a_system_that_gives_no_more_processes_is_one_line(monkeypatch, tmp_path):
    started = []

    class Scarce(process_pool.Child):
        def __init__(self, *arguments):
            if started:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            super().__init__(*arguments)
            started.append(self)

    monkeypatch.setattr(process_pool, "Child", Scarce)
    with pytest.raises(UsageError, match=r"cannot start 2 worker processes \(Resource temp.* give a smaller --n-jobs"):
        execute(tmp_path / "run", n_jobs=2)
    assert started[0].process.returncode is not None and not (tmp_path / "run").exists()
    assert not any(thread.name == "aebench-watch" for thread in threading.enumerate())
