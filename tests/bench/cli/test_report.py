"""`aebench report`: formats, paths, and refusals."""

import sys
import types
from pathlib import Path

import pytest


@pytest.fixture
def written(monkeypatch):
    calls = []

    def write_report(directory, formats=("md", "csv", "html"), plugins=()):
        calls.append((directory, formats))
        return [directory / f"report.{name}" for name in formats]

    module = types.ModuleType("bench.reports")
    module.write_report = write_report
    monkeypatch.setitem(sys.modules, "bench.reports", module)
    return calls


def test_paths_of_the_report_are_printed(call, written, tmp_path):
    (tmp_path / "run").mkdir()
    assert call("report", "run") == (0, "run/report.md\nrun/report.csv\nrun/report.html\n", "")
    assert call("report", "run", "--format", "md, md")[1] == "run/report.md\n"
    assert written == [(Path("run"), ("md", "csv", "html")), (Path("run"), ("md",))]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gone"], "gone: no such directory"),
        ([""], "an empty name: no such directory"),
        ([".", "--format", "pdf"], "unknown format 'pdf'"),
        ([".", "--format", ","], "names no format"),
        ([], "RUN"),
        ([".", "."], "2 runs are reported together in a folder of their own; give it with -o DIR"),
        ([".", "-o", "x"], "-o is for the report of several runs"),
        ([".", ".", "-o", "x", "--export", "paper"], "--export writes one run for a paper"),
        ([".", "--format", "md", "--export", "paper"], "leave out --format"),
    ],
)
def test_refusals(call, written, arguments, expected):
    code, out, err = call("report", *arguments)
    assert (code, out, written) == (2, "", [])
    assert expected in err and err.count("\n") == 1
