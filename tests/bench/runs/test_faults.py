"""The crash contract with real processes: whatever ends a run, the same command again gives the undisturbed table."""

import errno
import json
import os
import shlex
import signal
import subprocess

import psutil
import pytest
import torch
from runs import (
    NO_REPORT,
    ROOT,
    assert_same_tables,
    command,
    execute,
    finish,
    n_records,
    records,
    start,
    table,
    wait_for,
    written,
)

import bench.store.records
from bench.errors import UsageError

#: Slow enough to be caught in the act: about two seconds per stack.
SLOW = '''"""An autoencoder that takes its time."""

import time

from bench.contracts.variant import Variant


class {name}(Variant):
    """Plain autoencoder, slowly."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def loss(self, batch, draw):
        time.sleep({pause})
        return {{"loss": self.scale * self.reconstruction_cost(self.encode(batch.x), batch.x)}}

    def encode(self, x):
        return self.encoder(x)
'''


@pytest.fixture(scope="module", autouse=True)
def one_thread_and_no_report():
    patch = pytest.MonkeyPatch()
    patch.setattr("bench.runs.runner.report_run", lambda directory: [])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    patch.undo()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Three stacks of two seeds: fast, slow, slow."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "slow.py").write_text(SLOW.format(name="Slow", pause=0.05))
    return {"variant": ["ae", "slow[scale=[1,2]]"], "plugins": [folder]}


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed") / "run"
    execute(directory, **settings)
    assert set(table(directory).status) == {"ok"}
    return directory


def children_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def go_on(directory, undisturbed, settings, **more):
    """The same command again; returns how many cells it ran."""
    outcome = execute(directory, **settings, **more)
    assert outcome.n_failed == 0
    assert_same_tables(directory, undisturbed)
    assert not (directory / "progress").exists()
    assert not list(directory.rglob(".*.tmp"))
    return outcome.n_run


def test_kill_9_of_the_run(tmp_path, settings, undisturbed):
    process = start(tmp_path / "run", **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 2)
    process.kill()
    finish(process)
    done = n_records(tmp_path / "run")
    assert done < 6
    code, out, err = finish(start(tmp_path / "run", before="", **settings))
    assert (code, out.splitlines()[0], err) == (0, "6 cells: 6 with results", "")
    assert n_records(tmp_path / "run") == 6
    assert_same_tables(tmp_path / "run", undisturbed)
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_kill_9_of_the_run_ends_its_children(tmp_path, settings, undisturbed):
    process = start(tmp_path / "run", n_jobs=2, **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 1)
    children = wait_for(lambda: children_of(process))
    process.kill()
    finish(process)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    assert 0 < go_on(tmp_path / "run", undisturbed, settings) < 6


def test_kill_9_of_a_child_takes_only_its_unfinished_cells(tmp_path, settings, undisturbed):
    process = start(tmp_path / "run", n_jobs=2, **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 2)  # the fast stack is done, the slow ones are not
    wait_for(lambda: children_of(process))[0].kill()
    code, out, _ = finish(process)
    found = records(tmp_path / "run")
    killed = [key for key, record in found.items() if record["status"] == "killed"]
    assert code == 1 and 1 <= len(killed) <= 2 and len({label for label, _ in killed}) == 1
    assert "ended by signal 9 (SIGKILL); the system may have run out of memory" in found[killed[0]]["reason"]
    assert f"{6 - len(killed)} with results, {len(killed)} without results" in out
    assert go_on(tmp_path / "run", undisturbed, settings) == len(killed)


def test_ctrl_c_once_finishes_what_runs_and_reports(tmp_path, settings, undisturbed):
    before = (
        'import bench.runs.runner; bench.runs.runner.report_run = lambda run: (run.directory / "seen").touch() or []'
    )
    process = start(tmp_path / "run", before, n_jobs=2, **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 1)
    wait_for(lambda: len(children_of(process)) == 2)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert "stopping after what runs now; press Ctrl-C again to stop at once" in err
    done = n_records(tmp_path / "run")
    assert done % 2 == 0 and set(table(tmp_path / "run").status) == {"ok"}
    assert code == (0 if done == 6 else 1)
    assert (tmp_path / "run" / "seen").exists()  # the report was written
    assert go_on(tmp_path / "run", undisturbed, settings) == 6 - done


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_twice_stops_now_and_keeps_results(tmp_path, settings, undisturbed, jobs):
    process = start(tmp_path / "run", n_jobs=jobs, **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 2)
    children = children_of(process)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process, timeout=30)
    assert code == 130 and "the same command again goes on where it stopped" in err
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert "Traceback" not in err
    assert 0 < go_on(tmp_path / "run", undisturbed, settings) < 6


#: What a command runs first so that its report is a mark of how much it could see.
SEES = """
import pathlib
import shutil

import bench.runs.runner

bench.runs.runner.report_run = lambda d: shutil.copy(d.directory / "cells.jsonl", d.directory / "seen") and []
"""


@pytest.mark.parametrize(("number", "code", "jobs"), [(signal.SIGTERM, 143, 2), (signal.SIGHUP, 129, 1)])
def test_sigterm_stops_now_reports_what_is_done_and_says_so(tmp_path, settings, undisturbed, number, code, jobs):
    process = start(tmp_path / "run", SEES, n_jobs=jobs, **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 2)
    children = children_of(process)
    process.send_signal(number)
    ended, _, err = finish(process, timeout=60)
    assert ended == code and "Traceback" not in err
    name = number.name
    assert f"{name}: stopping now; what is done will be reported" in err
    assert f"ended by {name}; the same command again goes on where it stopped" in err
    assert (tmp_path / "run" / "seen").read_bytes() == (tmp_path / "run" / "cells.jsonl").read_bytes()
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert set(table(tmp_path / "run").status) == {"ok"}
    assert 0 < go_on(tmp_path / "run", undisturbed, settings) < 6


def test_sigterm_while_the_report_is_written_waits_for_it(tmp_path):
    before = (
        "import bench.runs.runner, os, pathlib, signal, time\n"
        "def report(d):\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2); (d.directory / 'seen').touch(); return []\n"
        "bench.runs.runner.report_run = report"
    )
    code, _, err = finish(start(tmp_path / "run", before, variant=["ae"], seeds=1))
    assert code == 143 and "ended by SIGTERM" in err and "Traceback" not in err
    assert (tmp_path / "run" / "seen").exists()


def test_sigterm_before_anything_ran_is_one_line(tmp_path):
    before = (
        "import os, signal, bench.runs.runner as r\nr.make_engine = lambda *a: os.kill(os.getpid(), signal.SIGTERM)"
    )
    code, out, err = finish(start(tmp_path / "run", before))
    assert (code, out, err.count("\n")) == (143, "", 1)
    assert err == "ended by SIGTERM; the same command again goes on where it stopped\n"


@pytest.mark.parametrize("failing", [1, 3])
def test_a_full_disk_ends_the_run_in_one_line_and_loses_nothing(tmp_path, settings, undisturbed, monkeypatch, failing):
    count = iter(range(100))

    def fsync(handle):
        if os.readlink(f"/proc/self/fd/{handle}").endswith("cells.jsonl") and next(count) >= failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(bench.store.records.os, "fsync", fsync)
        with pytest.raises(UsageError, match="No space left on device; free some space and run the same command"):
            execute(tmp_path / "run", **settings)
    assert n_records(tmp_path / "run") == failing
    assert go_on(tmp_path / "run", undisturbed, settings) == 6 - failing


def test_a_disk_that_is_really_full(tmp_path, settings, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk takes rights that this user lacks")
    try:
        with pytest.raises(UsageError, match=r"cannot write .*: No space left on device; free some space"):
            execute(disk / "run", **settings)
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert go_on(disk / "run", undisturbed, settings) > 0
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("cut", [1, 200])
def test_a_torn_last_line_costs_its_cell_alone(tmp_path, settings, undisturbed, cut):
    execute(tmp_path / "run", **settings)
    path = tmp_path / "run" / "cells.jsonl"
    with open(path, "rb+") as file:
        file.truncate(path.stat().st_size - cut)
    assert go_on(tmp_path / "run", undisturbed, settings) == (0 if cut == 1 else 1)


def test_the_second_of_two_runs_on_one_directory_names_the_first(tmp_path, settings, undisturbed):
    first = start(tmp_path / "run", **settings)
    wait_for(lambda: n_records(tmp_path / "run") >= 1)
    first.send_signal(signal.SIGSTOP)
    code, out, err = finish(start(tmp_path / "run", **settings))
    first.send_signal(signal.SIGCONT)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"another run is writing to {tmp_path / 'run'} (pid {first.pid} on " in err and "started 20" in err
    assert finish(first)[0] == 0
    assert_same_tables(tmp_path / "run", undisturbed)


def test_a_read_only_directory_is_refused_in_one_line_before_anything_runs(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    if os.geteuid() != 0:
        place.chmod(0o555)
    elif subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("root may write everywhere, and mounting is not allowed")
    try:
        code, out, err = finish(start(place / "run"))
    finally:
        place.chmod(0o755) if os.geteuid() else subprocess.run(["umount", place], check=True)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: cannot create {place / 'run'}: ") and "--output" in err


def test_only_what_changed_is_done_again_and_it_says_so(tmp_path, capsys):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for name in ("One", "Two"):
        (plugins / f"{name.lower()}.py").write_text(SLOW.format(name=name, pause=0))
    settings = {"plugins": [plugins], "quiet": False}
    execute(tmp_path / "run", variant=["one", "two"], **settings)
    before = records(tmp_path / "run")
    changed = (plugins / "two.py").read_text().replace("self.scale *", "2 * self.scale *")
    (plugins / "two.py").write_text(changed)
    capsys.readouterr()

    outcome = execute(tmp_path / "run", variant=["one", "two"], **settings)
    notes = capsys.readouterr().err
    assert outcome.n_run == 2 and "2 of 4 cells have results already; 2 to do" in notes
    assert "2 cells are trained again, as their code or data changed: two on linear-gaussian[d=6,n=300]" in notes
    after = records(tmp_path / "run")
    for seed in (0, 1):
        assert after["one", seed] == before["one", seed]
        assert after["two", seed]["metrics"] != before["two", seed]["metrics"]
    execute(tmp_path / "other", variant=["one", "two"], **settings)
    assert_same_tables(tmp_path / "run", tmp_path / "other")

    capsys.readouterr()
    outcome = execute(tmp_path / "run", variant=["one", "two", "ae"], seeds=3, metrics="test_mse", **settings)
    notes = capsys.readouterr().err
    assert outcome.n_run == 9  # one new seed of two variants, three of another, and four that are measured again
    assert "another variant, seeds, metrics; only what changed is done anew" in notes
    assert "4 cells are evaluated again, as the metrics or their code changed: one on" in notes
    trained = {key: record["started_at"] for key, record in records(tmp_path / "run").items()}
    assert len(trained) == 9
    outcome = execute(tmp_path / "run", variant=["one", "two", "ae"], seeds=3, metrics="test_mse", **settings)
    assert outcome.n_run == 0


def test_cells_that_failed_are_tried_again_and_a_forced_run_redoes_all(tmp_path, settings, undisturbed, capsys):
    execute(tmp_path / "run", **settings)
    path = tmp_path / "run" / "cells.jsonl"
    lines = path.read_text().splitlines()
    failed = json.loads(lines[-1]) | {"status": "timeout", "reason": "not done", "metrics": {}}
    path.write_text("\n".join(lines) + "\n" + written(failed))
    capsys.readouterr()
    assert go_on(tmp_path / "run", undisturbed, settings, quiet=False) == 1
    assert "1 cell is tried again, as they failed before" in capsys.readouterr().err
    assert go_on(tmp_path / "run", undisturbed, settings, force=True) == 6


def test_temporary_files_of_a_killed_run_are_removed(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    left = [tmp_path / "run" / name for name in (".spec.yaml.a.tmp", "arrays/.b.npz.c.tmp", "checkpoints/.d.tmp")]
    for path in left:
        path.touch()
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    assert not any(path.exists() for path in left)


def test_a_lock_of_a_run_that_is_gone_is_no_obstacle(tmp_path):
    execute(tmp_path / "run", variant=["ae"], seeds=1)
    (tmp_path / "run" / ".lock").write_text(json.dumps({"pid": 1, "host": "gone", "started": "2020-01-01"}))
    execute(tmp_path / "run", variant=["ae"], seeds=1)


@pytest.mark.parametrize(("redirection", "code"), [("2>&1 | head -n 1", 141), ("2>/dev/full", 0)])
def test_lost_streams_stop_no_work(tmp_path, redirection, code):
    line = shlex.join(map(str, command(tmp_path / "run", NO_REPORT, seeds=1, steps=5, quiet=False)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} {redirection}"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert n_records(tmp_path / "run") == 2 and set(table(tmp_path / "run").status) == {"ok"}
