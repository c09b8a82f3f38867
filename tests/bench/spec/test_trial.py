"""Foreign plugins that hang or end their process do so on trial; the others, and built-in ones, pass."""

import time

import pytest

from bench.spec import trial
from bench.spec.call import Call
from bench.spec.registry import Registry

FILE = """import os, signal, sys, time
{before}


def load():
    pass
"""
FILES = {
    "fine": "",
    "raises": 'raise RuntimeError("no")',
    "leaves": "sys.exit(0)",
    "dies": "os._exit(0)",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "closes": "os.closerange(3, 256)",
    "hangs": "time.sleep(3600)",
    "ignores": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)",
    "holds": 'import re; re.match("(a+)+b", "a" * 60)',
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    for name, before in FILES.items():
        (folder / f"{name}.py").write_text(FILE.format(before=before))
    return Registry.discover([folder])


def test_what_hangs_or_ends_its_process_is_named_and_the_rest_passes(registry):
    wanted = [("dataset", Call(name)) for name in FILES]
    found = {list(FILES)[place]: outcome for place, outcome in trial.failures(registry, wanted, limit=2.0).items()}
    late = "it did not come back within 2 s, when it was imported and built on trial"
    assert {name: found[name] for name in ("hangs", "ignores", "holds")} == dict.fromkeys(
        ("hangs", "ignores", "holds"), ("timeout", late)
    )
    assert found["dies"] == ("killed", "it ended its process with exit code 0, when it was imported and built on trial")
    assert "signal 11 (SIGSEGV)" in found["crashes"][1]
    assert set(found) == {"dies", "crashes", "closes", "hangs", "ignores", "holds"}


def test_built_in_plugins_start_no_process(registry, monkeypatch):
    monkeypatch.setattr(trial.subprocess, "Popen", None)
    assert (
        trial.failures(registry, [("variant", Call("ae")), ("dataset", Call("digits")), ("metric", Call("holes"))])
        == {}
    )


def test_a_process_that_cannot_start_blames_no_plugin(registry, monkeypatch):
    monkeypatch.setattr(trial, "_PROGRAM", "raise SystemExit(3)")
    assert trial.failures(registry, [("dataset", Call("fine"))]) == {}


def test_the_process_ends_with_everything_that_hangs_in_it(registry):
    started = time.monotonic()
    trial.failures(registry, [("dataset", Call("ignores"))], limit=0.5)
    assert time.monotonic() - started < trial.START_LIMIT
