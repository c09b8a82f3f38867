"""The scripts that measure: bad input is one line, what cannot be measured is named, tables hold what was measured."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parent


def script(name):
    spec = importlib.util.spec_from_file_location(f"script_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refused(monkeypatch, capsys, name, *arguments):
    """The last line on standard error, or the message, of a script that ends with a code that is not 0."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as end:
        script(name).main()
    assert end.value.code
    out, err = capsys.readouterr()
    assert out == ""
    return end.value.code if isinstance(end.value.code, str) else err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("peers", ["--images", "MISSING"], "--images MISSING: no such file; give an IDX file"),
        ("peers", ["--only", "jaxx"], "unknown peers jaxx"),
        ("peers", ["--rounds", "0"], "numbers must be at least 1"),
        ("workers", ["--only", "huge"], "unknown sizes huge; known: digits, mnist"),
        ("workers", ["--seconds", "0"], "numbers must be above 0"),
        ("busy", ["--only", "most"], "unknown settings most; known: auto, one"),
        ("busy", ["--states", "idle,calm"], "unknown states calm"),
        ("busy", ["--rounds", "0"], "--rounds must be at least 1"),
        ("gpu", ["--out", "x", "--only", "speed"], "unknown pieces speed; known: facts, tests"),
        ("gpu", ["--out", "x", "--images", "MISSING"], "--images MISSING: no such folder"),
        ("variants", ["--only", "vea"], "unknown variant 'vea'; did you mean"),
        ("variants", ["--rounds", "0"], "numbers must be at least 1"),
    ],
)
def test_bad_input_is_one_line(monkeypatch, capsys, name, arguments, message):
    assert message in refused(monkeypatch, capsys, name, *arguments)


@pytest.mark.parametrize("only", ["floor,pythae,bare", "pythae"])
def test_a_peer_that_fails_is_named_and_there_is_no_table(monkeypatch, capsys, only):
    def run(command, **_):
        failed = command[command.index("--child") + 1] == "pythae"
        message = "Traceback …\nModuleNotFoundError: No module named 'x'\n"
        return SimpleNamespace(returncode=int(failed), stdout="" if failed else '{"seconds": 1.5}\n', stderr=message)

    monkeypatch.setattr(subprocess, "run", run)
    line = refused(monkeypatch, capsys, "peers", "--only", only)
    assert "BaseTrainer (pythae) cannot be measured: ModuleNotFoundError: No module named 'x'" in line
    assert ("--only floor,bare leaves it out" in line) == (only != "pythae")


def test_peers_that_work_are_a_table(monkeypatch, capsys):
    done = SimpleNamespace(returncode=0, stdout='{"seconds": 1.5}\n', stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(sys, "argv", ["peers", "--only", "floor,aebench", "--rounds", "2"])
    script("peers").main()
    assert capsys.readouterr().out.count("| 1.50 (1.50 – 1.50) | 1.00 | 1.00 |") == 2


def test_tables_of_workers_and_busy_machines():
    workers, busy = script("workers"), script("busy")
    assert workers.plans(4) == [(1, 1), (4, 1), (1, 2), (2, 2), (1, 4)] and workers.plans(1) == [(1, 1)]
    text = workers.table({"digits": {(1, 1): [100.0, 120.0, 110.0], (2, 1): [210.0, 220.0, 230.0]}})
    assert "| digits | 2 × 1 | 220 (210 – 230) | 2.00 |" in text
    found = {("auto", "idle"): [50.0, 52.0, 51.0], ("auto", "busy"): [60.0, 61.2, 63.0]}
    text = busy.table(found, ["auto"], ["idle", "busy"])
    assert "| `aebench run` | 51.0 (50.0 – 52.0), 1.00 × | 61.2 (60.0 – 63.0), 1.20 × |" in text


@pytest.mark.parametrize("size", ["digits", "conv"])
def test_a_worker_trains(size):
    step, seeds = script("workers").stepper(size)
    step()
    assert seeds == {"digits": 5, "conv": 1}[size]


def test_pieces_for_a_gpu_are_kept_failures_named_and_the_rest_done_by_the_next_call(tmp_path, monkeypatch, capsys):
    gpu, asked = script("gpu"), []

    def run(command, **_):
        piece = command[command.index("--child") + 1]
        asked.append(piece)
        if piece == "core" and asked.count("core") == 1:
            return SimpleNamespace(returncode=gpu.UNFINISHED, stdout="", stderr="")
        failed = piece == "memory"
        stderr = "Traceback …\nValueError: no" * failed
        return SimpleNamespace(returncode=int(failed), stdout='["fine"]\n', stderr=stderr)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "--device", "cpu", "--only", "facts,core,memory"])
    gpu.main()
    gpu.main()
    assert asked == ["facts", "core", "memory", "core"]
    document = (tmp_path / "gpu.md").read_text("utf-8")
    assert document.count("- fine") == 2 and "**failed**: `ValueError: no`" in document
    assert "still to do: tests, steps" in capsys.readouterr().out


def test_step_costs_of_variants_are_a_table(monkeypatch, capsys):
    import torch

    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["variants", "--only", "conditional-prior,rae", "--seeds", "2", "--rounds", "11",
                                      "--steps", "1"])  # fmt: skip
    module = script("variants")
    try:
        module.main()
    finally:
        torch.set_num_threads(threads)
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert f"{head}\n{rule}" == module.HEAD
    assert [row.split("|")[1].strip() for row in rows] == ["conditional-prior", "rae"]
    assert {row.count("|") for row in rows} == {7} and not any("cannot be timed" in row for row in rows)
    assert module.line("rae", 1.681, (1.6, 1.7), (0.99, 1.01)).endswith("| 1.4 | no |") and 1.681 > 1.2 * 1.4
    assert (
        module.line("rae", 1.5, (1.4, 1.6), (0.99, 1.01)) == "| rae | 1.50 | 1.40 to 1.60 | 0.99 to 1.01 | 1.4 | yes |"
    )
    assert module.line("ae", float("nan"), (0, 1), (0, 1)) == "| ae | too few undisturbed rounds | | | | |"


def test_every_prototype_is_a_variant():
    from bench.spec.registry import Registry

    assert set(script("variants").PROTOTYPES) <= set(Registry.discover().names("variant"))
