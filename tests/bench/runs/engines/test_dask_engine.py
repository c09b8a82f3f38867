"""`--engine dask`: the local engine's numbers on real worker processes, one of which is killed in the middle."""

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from faulty import write_plugins
from runs import ROOT, assert_same_tables, execute, finish, n_records, records, resolved, start, table, wait_for

from bench.data.split_arrays import split_arrays
from bench.errors import UsageError
from bench.runs.engines import dask_client, dask_engine, dask_worker, make_engine
from bench.runs.engines.code_versions import code_facts, differences
from bench.spec.call import Call, parse_call
from bench.spec.registry import ARRAYS, Registry
from bench.spec.run import RunOptions, RunSpec

pytest.importorskip("distributed")
#: dask.distributed leaves loops and sockets to the garbage collector.
pytestmark = [
    pytest.mark.usefixtures("one_thread", "no_report"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SLOW = '''"""An autoencoder that takes its time."""

import time

from bench.contracts.variant import Variant


class Slow(Variant):
    """Plain autoencoder, slowly."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def loss(self, batch, draw):
        time.sleep(0.05)
        return {"loss": self.scale * self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)
'''


def _start(module, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", "--host", "127.0.0.1", "--no-dashboard", *arguments],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A scheduler and two workers, each a process of its own."""
    file = tmp_path_factory.mktemp("cluster") / "scheduler.json"
    folder = str(file.parent)
    processes = [_start("dask_scheduler", "--port", "0", "--scheduler-file", str(file))]
    wait_for(file.exists)
    worker = (
        "dask_worker",
        "--scheduler-file",
        str(file),
        "--nthreads",
        "1",
        "--no-nanny",
        "--local-directory",
        folder,
    )
    processes += [_start(*worker), _start(*worker)]
    with dask_client.connected(str(file), 0) as client:
        client.wait_for_workers(2, timeout=120)
    yield SimpleNamespace(file=file, scheduler=processes[0], workers=processes[1:])
    for process in processes:
        process.kill()
        process.wait()


def busy(worker):
    return psutil.Process(worker.pid).children()


def test_ones_own_cluster_gives_the_local_engines_numbers(tmp_path):
    before = set(psutil.Process().children(recursive=True))  # the trackers of other tests' pools live on
    execute(tmp_path / "dask", engine="dask", n_jobs=2)
    execute(tmp_path / "local")
    assert_same_tables(tmp_path / "dask", tmp_path / "local")
    found = records(tmp_path / "dask")
    assert {(r["engine"], r["num_threads"], r["timing_valid"]) for r in found.values()} == {("dask", 1, False)}
    assert set(psutil.Process().children(recursive=True)) <= before


def test_arrays_travel_to_the_workers(tmp_path, running):
    data = np.random.default_rng(0).standard_normal((300, 6))
    split = split_arrays(data, np.arange(300) % 3)
    settings = {"dataset": [Call(ARRAYS, {"checksum": split.checksum()})], "arrays": split}
    execute(tmp_path / "dask", engine=f"dask={running.file}", **settings)
    execute(tmp_path / "local", **settings)
    assert_same_tables(tmp_path / "dask", tmp_path / "local")


def test_a_failure_on_a_worker_is_a_row_and_the_worker_lives_on(tmp_path, running):
    plugins = write_plugins(tmp_path / "plugins")
    variants = ["ae", "dies", "sleeps", "raises-in-loss", "vae"]
    settings = {"engine": f"dask={running.file}", "plugins": [plugins], "seeds": 1}
    execute(tmp_path / "dask", variant=variants, timeout=6, **settings)
    found = {label: record["status"] for (label, _), record in records(tmp_path / "dask").items()}
    assert found == {"ae": "ok", "dies": "killed", "sleeps": "timeout", "raises-in-loss": "error", "vae": "ok"}
    assert all(worker.poll() is None for worker in running.workers)
    execute(tmp_path / "local", variant=["ae", "vae"], seeds=1)
    good = table(tmp_path / "dask")
    assert good[good.status == "ok"].reset_index(drop=True).equals(table(tmp_path / "local"))


def test_a_usage_error_is_found_on_the_worker_before_anything_is_written(tmp_path, running):
    with pytest.raises(UsageError, match="fewer than one batch of 5000"):
        execute(tmp_path / "run", engine=f"dask={running.file}", batch_size=5000)
    assert not (tmp_path / "run").exists()


def test_workers_with_other_code_are_refused_by_name(tmp_path, running, monkeypatch):
    monkeypatch.setattr(dask_engine, "code_facts", lambda plugins: {**code_facts(plugins), "torch": "1.0"})
    with pytest.raises(UsageError, match=r"worker tcp://127\.0\.0\.1:\d+ runs other code than this process: torch 2\."):
        execute(tmp_path / "run", engine=f"dask={running.file}")
    assert not (tmp_path / "run").exists()


def test_an_edited_plugin_runs_on_a_cluster_that_has_seen_it_before(tmp_path, running):
    for scale in ("1.0", "2.0"):
        (tmp_path / "slow.py").write_text(SLOW.replace("0.05", "0").replace("1.0", scale))
        settings = {"variant": ["slow"], "plugins": [tmp_path / "slow.py"], "seeds": 1}
        assert execute(tmp_path / "dask", engine=f"dask={running.file}", **settings).n_run == 1
    execute(tmp_path / "local", **settings)
    assert_same_tables(tmp_path / "dask", tmp_path / "local")


def test_a_worker_that_joins_later_with_other_code_says_so_in_the_row(tmp_path, running, monkeypatch):
    monkeypatch.setattr(dask_engine, "code_facts", lambda plugins: {**code_facts(plugins), "aebench": "other"})
    monkeypatch.setattr(dask_engine, "check_workers", lambda *_: 0)
    monkeypatch.setattr(dask_engine.DaskEngine, "check", lambda *_: [])
    execute(tmp_path / "run", engine=f"dask={running.file}", variant=["ae"], seeds=1)
    (record,) = records(tmp_path / "run").values()
    assert record["status"] == "error" and record["error_type"] == "CodeMismatch"
    assert "runs other code than the driver: aebench " in record["reason"]


def test_ctrl_c_starts_nothing_new_and_cancels_nothing(running):
    engine = make_engine(resolved(RunOptions(engine=f"dask={running.file}")))
    stop = SimpleNamespace(requested=True)
    with engine:
        assert list(engine.run([object()], None, stop)) == []


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("dask=nowhere.json", "neither an address nor a scheduler file; give one, e.g. dask=tcp://HOST:8786"),
        ("dask=tcp://127.0.0.1:9", "no dask scheduler answers at tcp://127.0.0.1:9"),
        ("dask=", "give local, dask, or dask=tcp://HOST:PORT"),
        ("local=2", "give local, dask, or dask=tcp://HOST:PORT"),
        ("dusk", "did you mean dask"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(tmp_path, monkeypatch, engine, message):
    monkeypatch.setattr(dask_client, "CONNECT_LIMIT", 1.0)
    with pytest.raises(UsageError) as raised:
        execute(tmp_path / "run", engine=engine)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_jobs_are_for_ones_own_cluster(running):
    with pytest.raises(UsageError, match="--n-jobs is for one's own cluster"):
        make_engine(resolved(RunOptions(engine=f"dask={running.file}", n_jobs=2)))


def test_a_gpu_is_asked_for_where_workers_declare_one(monkeypatch):
    engine = dask_engine.DaskEngine("tcp://nowhere", RunOptions(), RunSpec(), None)
    asked = []
    engine._client = SimpleNamespace(submit=lambda *_, **options: asked.append(options["resources"]))
    for gpus, device in ((0, "cpu"), (0, "cuda"), (2, "cpu"), (2, "cuda:0")):
        engine._gpus = gpus
        engine._submit_job(None, "name", device)
    assert asked == [None, None, None, {"GPU": 1}]
    assert engine._device("auto") == "cuda"
    task = SimpleNamespace(device="cuda")
    assert (engine._slots(task, 8), engine._slots(SimpleNamespace(device="cpu"), 8)) == (2, 8)
    engine._gpus = 0
    engine._client.run = lambda function: {"worker": False}
    assert engine._device("auto") == "cpu"
    with pytest.raises(UsageError, match="no worker has a GPU that torch sees"):
        engine._device("cuda")


def test_declared_gpus_are_counted():
    workers = {"a": {"resources": {"GPU": 2}}, "b": {"resources": {}}}
    client = SimpleNamespace(
        run=lambda function, plugins, on_error: {"a": code_facts(plugins)},
        scheduler_info=lambda n_workers: {"workers": workers},
    )
    assert dask_client.check_workers(client, (), code_facts(())) == 2


def test_differences_name_what_differs():
    assert differences({"a": "1"}, {"a": "1"}) == ""
    assert differences({"a": "1", "b": "2"}, {"a": "3"}) == "a 3 there, 1 here; b missing there, 2 here"
    assert differences(dict.fromkeys("abcde", "1"), {}).endswith("; and 2 more")


def test_facts_name_every_library_that_computes():
    facts = code_facts()
    assert {"torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas"} <= facts.keys()
    assert "scikit-learn 0 there" in differences(facts, facts | {"scikit-learn": "0"})


def test_facts_see_every_source(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    facts = code_facts((str(tmp_path / "slow.py"),))
    (tmp_path / "slow.py").write_text(SLOW.replace("0.05", "0.06"))
    assert differences(facts, code_facts((str(tmp_path / "slow.py"),))).startswith("variant slow ")


def test_children_that_nobody_uses_are_ended(monkeypatch):
    monkeypatch.setattr(dask_worker, "IDLE", 0.1)
    job = dask_worker.Job("run", None, {}, (), 1, None)
    with dask_worker._crew(job, 1 << 34, None) as crew:
        assert len(dask_worker._CREWS) == 1 and crew is next(iter(dask_worker._CREWS.values())).crew
        dask_worker.end_run("run")  # in use: stays
        assert len(dask_worker._CREWS) == 1
    wait_for(lambda: not dask_worker._CREWS, 10)


def test_a_stack_that_is_lost_again_and_again_is_killed_at_last(monkeypatch):
    from distributed import KilledWorker

    def lost():
        raise KilledWorker("key", None, 3)

    engine = dask_engine.DaskEngine("tcp://nowhere", RunOptions(), RunSpec(), None)
    (cell,) = RunSpec(variants=(parse_call("ae"),), seeds=(0,)).cells(Registry.discover())
    task = dask_engine.StackTask((cell,))
    one = dask_engine._Submitted(task, SimpleNamespace(result=lost), 0)
    alone = dask_engine.deque()
    assert list(engine._outcome(one, alone)) == [] and list(alone) == [task]
    one.lost = 1
    (result,) = engine._outcome(one, alone)
    assert result.record["status"] == "killed" and "each time that it ran" in result.record["reason"]


def test_sigterm_keeps_what_is_done_and_leaves_the_cluster_as_it_was(tmp_path, running):
    (tmp_path / "slow.py").write_text(SLOW)
    settings = {"variant": "slow[scale=[1,2,3]]", "plugins": tmp_path / "slow.py", "engine": f"dask={running.file}"}
    process = start(tmp_path / "run", **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 1)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process, timeout=60)
    assert code == 143 and "Traceback" not in err
    assert "ended by SIGTERM; the same command again goes on where it stopped" in err
    assert set(table(tmp_path / "run").status) == {"ok"}
    assert 1 <= n_records(tmp_path / "run") < 6
    assert [worker.poll() for worker in running.workers] == [None, None]


def test_a_worker_killed_in_the_middle_costs_no_cell(tmp_path, running):
    (tmp_path / "slow.py").write_text(SLOW)
    settings = {"variant": ["ae", "slow[scale=[1,2,3]]"], "plugins": [tmp_path / "slow.py"]}
    gone = {}

    def kill_one():
        wait_for(lambda: n_records(tmp_path / "dask") >= 2 and all(map(busy, running.workers)))
        gone["children"] = busy(running.workers[0])
        running.workers[0].kill()

    thread = threading.Thread(target=kill_one)
    thread.start()
    outcome = execute(tmp_path / "dask", engine=f"dask={running.file}", **settings)
    thread.join()
    running.workers[0].wait()
    assert (outcome.n_run, outcome.n_failed) == (8, 0)
    assert n_records(tmp_path / "dask") == 8  # nothing ran twice into the store
    assert psutil.wait_procs(gone["children"], timeout=30)[1] == []
    execute(tmp_path / "local", **settings)
    assert_same_tables(tmp_path / "dask", tmp_path / "local")


def test_a_scheduler_that_dies_ends_the_run_in_a_line_and_keeps_what_is_done(tmp_path, running, monkeypatch, capsys):
    """The last test of this file: the scheduler is gone after it."""
    monkeypatch.setattr(dask_engine, "SCHEDULERLESS_LIMIT", 1.0)
    (tmp_path / "slow.py").write_text(SLOW)
    settings = {"variant": ["ae", "slow[scale=[1,2,3]]"], "plugins": [tmp_path / "slow.py"]}

    def kill():
        wait_for(lambda: n_records(tmp_path / "dask") >= 2)
        running.scheduler.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    outcome = execute(tmp_path / "dask", engine=f"dask={running.file}", **settings)
    thread.join()
    err = capsys.readouterr().err
    assert "the dask scheduler does not answer any more; what is done is stored" in err and "Traceback" not in err
    done = n_records(tmp_path / "dask")
    assert 2 <= done < 8 and outcome.n_failed == 8 - done
    outcome = execute(tmp_path / "dask", **settings)
    assert (outcome.n_run, outcome.n_failed) == (8 - done, 0)
