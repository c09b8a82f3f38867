"""The stamp of a report: it holds while nothing changed, and any change of what it was made from makes it void."""

import os

import pytest
from synthetic import make_run

from bench.reports import report_run, stamp
from bench.reports.csv_tables import export
from bench.reports.stamp import FILE, findings_of_current
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run with its report, and what the report found."""
    directory = make_run(tmp_path_factory.mktemp("stamp") / "run", variants=("ae", "vae"), seeds=range(2))
    export(store := RunStore.open(directory))
    return directory, report_run(store)


def rewrite(path, change):
    """Change a file's text; returns what puts it back, with its time."""
    before, stat = path.read_bytes(), path.stat()
    path.write_bytes(change(before))

    def undo():
        path.write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return undo


def test_a_report_holds_while_nothing_changed_and_its_findings_are_kept(drawn):
    directory, found = drawn
    assert found and findings_of_current(directory) == found
    RunStore.create(directory, type("Spec", (), {"to_dict": lambda self: RunStore.open(directory).spec})()).close()
    assert findings_of_current(directory) == found  # opened for writing, as every call does, and nothing written


@pytest.mark.parametrize("name", ["report.md", "report.html", "results.csv", "figures/seeds.svg", "figures/latent.csv",
                                  "spec.yaml", "plan.json"])  # fmt: skip
def test_a_changed_file_makes_it_void(drawn, name):
    directory, found = drawn
    undo = rewrite(directory / name, lambda content: content.replace(b"a", b"b", 1) + b" ")
    assert findings_of_current(directory) is None
    undo()
    assert findings_of_current(directory) == found


@pytest.mark.parametrize("name", ["report.md", "figures/seeds.png", FILE])
def test_a_missing_file_makes_it_void(drawn, name):
    directory, found = drawn
    path = directory / name
    aside = path.rename(path.with_name("aside"))
    assert findings_of_current(directory) is None
    aside.rename(path)
    assert findings_of_current(directory) == found


def test_other_code_plugins_or_libraries_make_it_void(drawn, monkeypatch, tmp_path):
    directory, found = drawn
    (tmp_path / "rows.py").write_text("A = 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(stamp, "_PACKAGE", tmp_path)
        assert findings_of_current(directory) is None
    with monkeypatch.context() as patch:
        patch.setattr(stamp.metadata, "version", lambda name: "0")
        assert findings_of_current(directory) is None
    with monkeypatch.context() as patch:
        spec = RunStore.open(directory).spec | {"plugins": [str(tmp_path)]}
        patch.setattr(stamp.RunStore, "open", lambda path: type("Store", (), {"spec": spec}))
        assert findings_of_current(directory) is None
    assert findings_of_current(directory) == found


@pytest.mark.parametrize("content", ["", "[]", "{}", "{}{", '{"sources": 1, "written": 2, "findings": 3}'])
def test_a_damaged_stamp_is_no_stamp(tmp_path, content):
    make_run(tmp_path / "run", variants=("ae",), seeds=range(1), with_arrays=False)
    (tmp_path / "run" / FILE).write_text(content)
    assert findings_of_current(tmp_path / "run") is None
    assert findings_of_current(tmp_path / "nowhere") is None


def test_records_and_arrays_that_came_later_make_it_void(tmp_path):
    directory = make_run(tmp_path / "run", variants=("ae",), seeds=range(1), with_arrays=False)
    (directory / "report.md").write_text("drawn")

    def stamped():
        stamp.write_stamp(directory, stamp.made_from(directory), [directory / "report.md"], [])
        return findings_of_current(directory)

    assert stamped() == []
    line = (directory / "cells.jsonl").read_text()
    (directory / "cells.jsonl").write_text(line + line)
    assert findings_of_current(directory) is None and stamped() == []
    (directory / "arrays" / "new.npz").touch()
    assert findings_of_current(directory) is None and stamped() == []
    (directory / "figures").mkdir()
    assert findings_of_current(directory) == []
    (directory / "figures" / "left.png").touch()
    assert findings_of_current(directory) is None
