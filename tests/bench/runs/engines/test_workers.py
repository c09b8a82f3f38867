"""The plan of workers: cores, threads, memory, small runs; values that are the same for any plan."""

import itertools

import pandas as pd
import pytest
from runs import execute, records, resolved, table

from bench.errors import UsageError
from bench.runs.engines import local_device, make_engine, workers
from bench.runs.engines.inline import InlineEngine
from bench.runs.engines.process import ProcessEngine
from bench.runs.engines.workers import NEED, WorkerPlan, plan_workers
from bench.spec.config import build_run
from bench.spec.registry import Registry
from bench.spec.run import RunOptions, RunSpec

DEFAULT = {}
CONV = {"network": "conv[channels=[8]]", "variant": ["ae"], "seeds": 3}


@pytest.fixture
def machine(monkeypatch):
    """A machine of 4 cores and 100 GB whose user has said nothing; `machine(cores, memory)` changes it."""

    def make(cores=4, memory=100e9):
        monkeypatch.setattr(workers, "usable_cores", lambda: cores)
        monkeypatch.setattr(workers, "available_memory", lambda: int(memory))

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    make()
    return make


def plan(settings=DEFAULT, done=(), device="cpu", **options):
    spec, _ = build_run(settings)
    return plan_workers(RunOptions(**options), spec.cells(Registry.discover(())), done, device)


def shape(found):
    return found.workers, found.threads


def test_the_default_run_uses_every_core_with_one_thread_each(machine):
    assert [shape(plan()) for _ in (machine(1),)] == [(1, 1)]
    for cores, expected in (
        (2, 2),
        (4, 4),
        (10, 10),
        (16, 12),
    ):  # five variants × two groups of five seeds, two controls
        machine(cores)
        assert shape(plan()) == (expected, 1)


def test_one_variant_is_split_into_its_groups_of_seeds(machine):
    assert shape(plan({"variant": ["vae"]})) == (2, 1)
    assert shape(plan({"variant": ["vae"], "seeds": 20})) == (4, 1)
    assert shape(plan({"variant": ["vae"], "seeds": 5})) == (1, 1)


def test_cells_with_results_need_no_worker(machine):
    cells = RunSpec().cells(Registry.discover(()))
    assert shape(plan(done={cell.cell_id for cell in cells[:40]})) == (4, 1)  # two groups, two controls
    assert plan(done={cell.cell_id for cell in cells}).inline


def test_a_small_run_stays_in_this_process(machine):
    assert plan({"variant": ["ae"], "seeds": 2, "steps": 30}).inline
    assert plan({"variant": ["ae", "vae"], "seeds": 2, "epochs": 3}).inline
    assert not plan({"variant": ["ae", "vae"], "seeds": 5}).inline


def test_large_models_share_the_cores_when_they_are_fewer(machine):
    machine(8)
    assert shape(plan(CONV)) == (3, 2)
    assert shape(plan(CONV | {"seeds": 1})) == (1, 8)
    assert shape(plan(CONV | {"seeds": 20})) == (8, 1)
    assert shape(plan({"network": "mlp[hidden=[1024,512]]", "variant": ["ae"], "seeds": 1})) == (1, 8)
    assert shape(plan({"network": "mlp[hidden=[256,256]]", "variant": ["ae"], "seeds": 1})) == (1, 1)


@pytest.mark.parametrize("settings", [DEFAULT, CONV])
def test_threads_do_not_depend_on_the_number_of_workers(machine, settings):
    machine(8)
    assert len({plan(settings, n_jobs=n).threads for n in (1, 2, 3, "auto")}) == 1


def test_what_the_user_says_counts(machine, monkeypatch):
    assert shape(plan(n_jobs=3)) == (3, 1)
    assert shape(plan(threads=2)) == (2, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert shape(plan()) == (1, 4)
    assert shape(plan(threads=1)) == (4, 1)


def test_a_gpu_has_one_worker(machine):
    assert shape(plan(device="cuda")) == (1, 1)
    assert shape(plan(device="cuda:1", n_jobs=2)) == (2, 1)


def test_memory_bounds_the_workers_and_refuses_more(machine):
    machine(8, memory=3.5 * NEED)
    assert shape(plan()) == (2, 1)
    with pytest.raises(UsageError, match=r"3 workers need about .* give --n-jobs 2 or fewer, or auto"):
        plan(n_jobs=3)
    machine(8, memory=NEED / 10)
    assert shape(plan()) == shape(plan(n_jobs=1)) == (1, 1)


def test_memory_bounds_the_workers_of_ones_own_cluster_too(machine):
    pytest.importorskip("distributed")
    machine(8, memory=3.5 * NEED)
    cells = RunSpec().cells(Registry.discover(()))
    with pytest.raises(UsageError, match="3 workers need about"):
        make_engine(resolved(RunOptions(engine="dask", n_jobs=3), cells))
    make_engine(resolved(RunOptions(engine="dask", n_jobs=2), cells))


def test_data_that_every_worker_reads_count(machine, tmp_path):
    machine(8, memory=8 * NEED / workers.SHARE)
    (tmp_path / "rows.csv").write_bytes(b"0" * (NEED // 400))
    settings = {"dataset": [f"file[path={tmp_path / 'rows.csv'}]"]}
    assert shape(plan()) == (8, 1) and shape(plan(settings)) == (7, 1)
    (tmp_path / "rows.csv").rename(tmp_path / "rows.npy")  # it is mapped, and all workers share its pages
    assert shape(plan({"dataset": [f"file[path={tmp_path / 'rows.npy'}]"]})) == (8, 1)


def test_no_more_workers_than_pieces_but_child_processes_where_they_were_asked_for(machine):
    found = plan({"variant": ["ae"], "seeds": 1}, n_jobs=4)
    assert shape(found) == (1, 1) and not found.inline
    assert plan({"variant": ["ae"], "seeds": 1}, timeout=9.0).inline is False


@pytest.mark.parametrize("settings", [DEFAULT, CONV | {"seeds": 1}])
def test_a_call_with_nothing_to_do_has_the_threads_of_the_one_before(machine, settings):
    """They are part of the environment that a run records, and another environment would mean another report."""
    spec, _ = build_run(settings)
    done = {cell.cell_id for cell in spec.cells(Registry.discover(()))}
    assert plan(settings, done=done).threads == plan(settings).threads


def test_a_plan_in_words_and_its_engine(machine):
    assert str(WorkerPlan(2, 1, 24_100_000_000)) == "2 workers × 1 thread, 24 GB"
    assert str(WorkerPlan(1, 2, 9_600_000_000)) == "1 worker × 2 threads, 10 GB"
    cells = RunSpec().cells(Registry.discover(()))
    for options, kind in (({}, ProcessEngine), ({"n_jobs": 1}, InlineEngine), ({"timeout": 9.0}, ProcessEngine)):
        engine = make_engine(resolved(RunOptions(**options), cells, device="cpu"))
        assert isinstance(engine, kind)
    assert isinstance(make_engine(resolved(RunOptions(), cells[:2], device="cpu")), InlineEngine)


def test_networks_of_the_users_own_script_stay_in_its_process(machine):
    assert plan({"network": "__main__:make"}).inline


def test_no_driver_means_the_cpu_without_asking_torch(tmp_path, monkeypatch):
    monkeypatch.setattr(local_device, "_DEVICES", tmp_path)
    asked = []
    monkeypatch.setattr("bench.train.device.resolve_device", lambda name: asked.append(name) or "cuda")
    assert (local_device.local_device("auto"), local_device.local_device("cpu"), asked) == ("cpu", "cpu", [])
    (tmp_path / "nvidia0").touch()
    assert local_device.local_device("auto") == "cuda" and local_device.local_device("cuda:0") == "cuda"
    assert asked == ["auto", "cuda:0"]


def test_values_do_not_depend_on_the_plan_of_workers(tmp_path, no_report):
    """Every value, of whole and split stacks of seven seeds, with one and two workers and threads.

    The first shape fits vector registers; the second does not, and there a seed's bits do depend on its stack.
    """
    plans = {"inline": (1, 1), "two": (2, 1), "wide": (2, 2)}
    shapes = {
        "even": {"dataset": ["linear-gaussian[d=16,n=300]"], "variant": ["vae"], "latent_dim": 8},
        "odd": {"dataset": ["linear-gaussian[d=13,n=300]"], "network": "mlp[hidden=[30]]", "latent_dim": 3},
    }
    for (name, settings), (how, (n_jobs, threads)) in itertools.product(shapes.items(), plans.items()):
        execute(tmp_path / f"{name}-{how}", seeds=7, n_jobs=n_jobs, threads=threads, **settings)
    for name in shapes:
        first = tmp_path / f"{name}-inline"
        groups = {tuple(record["stack_seeds"]) for record in records(first).values()}
        assert groups == {(0, 1, 2, 3), (4, 5, 6)}
        for how in ("two", "wide"):
            pd.testing.assert_frame_equal(table(first), table(tmp_path / f"{name}-{how}"))
