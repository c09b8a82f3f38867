"""Where the parts of Python that only POSIX systems have are missing, one line says so."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HIDE = "import sys; sys.modules[{missing!r}] = None; from bench.cli import main; main({arguments!r})"


def answer(missing, *arguments, cwd):
    program = HIDE.format(missing=missing, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("missing", ["fcntl", "resource"])
def test_where_posix_is_missing_one_line_says_so(tmp_path, missing):
    done = answer(missing, "run", "-o", "run", "--steps", "1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: aebench runs on Linux and macOS; this Python has no {missing} (on Windows, use WSL, the Linux in "
        "Windows)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_help_and_lists_answer_everywhere(tmp_path):
    for arguments in (("--help",), ("list",), ("run", "--help")):
        done = answer("fcntl", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), arguments
