"""`show`, `index`, `doctor` and `completion`: what they say, what they find wrong, and what a shell hears."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import completion, doctor, group, show
from bench.spec.plugin_file import KINDS, PluginInfo

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path):
    """What looks like a run with a report."""
    folder = tmp_path / "results" / "digits-1"
    folder.mkdir(parents=True)
    (folder / "cells.jsonl").write_text("")
    (folder / "report.html").write_text("report")
    return folder


def test_show_prints_the_path_and_opens_a_browser_where_there_is_a_display(call, run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert call("show", run) == (0, f"{run / 'report.html'}\n", "") and opened == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert call("show") == (0, f"{run / 'report.html'}\n", "")  # the newest below results/
    assert opened == [(run / "report.html").as_uri()]
    assert call("show", "--path")[0] == 0 and len(opened) == 1


def test_show_takes_the_newest_run(run, tmp_path):
    newer = tmp_path / "results" / "digits-0"
    newer.mkdir()
    (newer / "cells.jsonl").write_text("")
    os.utime(run / "cells.jsonl", (1, 1))
    assert show.newest(tmp_path / "results") == newer


def test_show_of_no_run_is_one_line(call, tmp_path):
    assert call("show")[::2] == (2, "error: there is no run below results; give the directory of one\n")
    assert "holds no run" in call("show", tmp_path)[2]


def test_the_doctor_says_what_is_here_and_finds_nothing_wrong(call, monkeypatch):
    monkeypatch.setattr(doctor, "faults", lambda: iter(()))
    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    for name in ("python", "packages", "machine", "cores", "threads", "devices", "compiler"):
        assert f"{name}:" in out
    assert "torch 2" in out and "nothing is wrong" in out
    monkeypatch.setattr(doctor, "faults", lambda: iter(["planted; mend it"]))
    assert call("doctor")[:2] == (1, out.replace("nothing is wrong", "wrong: planted; mend it"))


def test_the_doctor_finds_what_is_planted(monkeypatch, tmp_path):
    class Torch:
        class cuda:
            is_available = staticmethod(lambda: False)

        class version:
            cuda = None

    wrong = list(doctor.outdated(["numpy>=1.2", "scipy>=900", "no-such-package-at-all>=1", "x; extra == 'test'"]))
    assert len(wrong) == 2 and "scipy" in wrong[0] and ">=900" in wrong[0] and "no-such-package" in wrong[1]
    monkeypatch.setattr("bench.runs.engines.local_device.may_have_gpu", lambda: True)
    monkeypatch.setattr(sys, "platform", "linux")
    assert ["driver" in line for line in doctor.of_torch(Torch)] == [True]
    assert ["cannot be imported" in line for line in doctor.of_torch(None)] == [True]
    many = {"OMP_NUM_THREADS": "4096", "MKL_NUM_THREADS": "two", "OMP_WAIT_POLICY": "active"}
    assert len(list(doctor.of_threads(many))) == 3 and not list(doctor.of_threads({"OMP_NUM_THREADS": "1"}))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert ["read-only" in line for line in doctor.of_folder(tmp_path)] == [True]
    monkeypatch.undo()
    monkeypatch.setattr(doctor, "LITTLE_ROOM", 1 << 70)
    assert ["are free" in line for line in doctor.of_folder(tmp_path)] == [True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_installed_plugin_is_found(kind, monkeypatch):
    from bench.spec.registry import Registry

    broken = PluginInfo("mine", kind, None, entry_point="pkg:Mine", broken="line 3: invalid syntax")
    monkeypatch.setattr(Registry, "refused", lambda self, asked: [broken] if asked == kind else [])
    assert list(doctor.of_plugins()) == [f"the {kind} mine (pkg:Mine) cannot be used: line 3: invalid syntax"]


def completed(monkeypatch, capsys, *words):
    """What a shell is offered for the last of `words`."""
    monkeypatch.setenv(completion.VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(("aebench", *words)))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert completion.answer(group) == 0
    return [line.split(",", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_commands_options_and_names_are_completed(monkeypatch, capsys):
    assert completed(monkeypatch, capsys, "re") == ["reference", "report"]
    assert "--latent-dim" in completed(monkeypatch, capsys, "run", "--lat")
    assert completed(monkeypatch, capsys, "run", "-m", "stoch") == ["stochastic-ae"]
    assert completed(monkeypatch, capsys, "run", "-d", "digi") == ["digits"]
    assert completed(monkeypatch, capsys, "run", "--preset", "anchor-lin") == ["anchor-linear"]
    monkeypatch.delenv(completion.VARIABLE)
    assert completion.answer(group) is None


def test_the_last_of_several_metrics_is_completed():
    from bench.cli import _names

    assert [item.value for item in _names.metrics(None, None, "core,test_ms")] == [
        "core,test_mse",
        "core,test_mse_sampled",
    ]


@pytest.mark.parametrize("shell", completion.PLACES)
def test_the_script_for_a_shell_asks_as_is_answered(call, shell):
    code, out, _ = call("completion", shell)
    assert code == 0 and f"{completion.VARIABLE}={shell}_complete" in out


PROGRAM = """
import json, sys
import aebench
from aebench import Variant, losses
import bench
print(json.dumps([aebench.run is bench.run, losses is sys.modules["bench.losses"], bench.__file__]))
"""


def test_aebench_is_bench_where_a_folder_of_the_users_is_called_bench(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("raise SystemExit('the user\\'s own')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(("", str(ROOT)))}
    run = lambda *words, **more: subprocess.run(  # noqa: E731
        [sys.executable, *words], cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True
    )
    done = run("-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, True, str(ROOT / "bench" / "__init__.py")]
    asked = {completion.VARIABLE: "bash_complete", "COMP_WORDS": "aebench doc", "COMP_CWORD": "1"}
    assert run("-c", "import aebench; aebench.main()", **asked).stdout == "plain,doctor\n"


def test_processes_of_its_own_take_this_package():
    from bench.runs.engines.child_main import BOOTSTRAP
    from bench.spec.plugin_path import OWN
    from bench.spec.trial import _PROGRAM

    assert OWN in BOOTSTRAP and OWN in _PROGRAM
    compile(BOOTSTRAP, "child", "exec")
    compile(_PROGRAM, "trial", "exec")
