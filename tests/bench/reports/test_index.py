"""The page over many runs: every run with its facts, a damaged one with its fault, nothing as markup."""

import json
import shutil

import pytest
from runs import execute, written

from bench.errors import UsageError
from bench.reports.index import PAGE, write_index
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda directory: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        return execute(tmp_path_factory.mktemp("runs") / "one", steps=3).directory


def test_every_run_is_there_and_a_damaged_one_says_why(run, tmp_path):
    shutil.copytree(run, tmp_path / "a b#" / "one")
    (tmp_path / "a b#" / "one" / "report.html").write_text("there")
    (tmp_path / "a b#" / "one" / ".report.json").write_text(json.dumps({"findings": ["<b>ae</b> wins", 7]}))
    shutil.copytree(run, tmp_path / "bad")
    (tmp_path / "bad" / "spec.yaml").write_text("[")
    (tmp_path / "empty").mkdir()
    page, runs = write_index(tmp_path)
    text = page.read_text(encoding="utf-8")
    by = {one.name: one for one in runs}
    assert set(by) == {"a b#/one", "bad"}
    good = by["a b#/one"]
    assert (good.variants, good.seeds, good.statuses) == (("ae", "vae"), 2, {"ok": 4})
    assert good.findings == ("<b>ae</b> wins",) and "&lt;b&gt;ae" in text and "<b>ae" not in text
    assert 'href="a%20b%23/one/report.html"' in text and "4 ok" in text
    assert "spec.yaml" in by["bad"].fault and "spec.yaml" in text
    assert write_index(tmp_path)[0] == page  # its own page is written anew


def test_a_failed_cell_is_counted_apart(run, tmp_path):
    shutil.copytree(run, tmp_path / "one")
    records = [*RunStore.open(run).records().values()]
    records[0] |= {"status": "error", "reason": "planted", "files": {}}
    (tmp_path / "one" / "cells.jsonl").write_text(written(*records))
    assert '<span class="bad">1 error</span>' in write_index(tmp_path)[0].read_text(encoding="utf-8")


def test_what_cannot_be_indexed_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no such directory"):
        write_index(tmp_path / "gone")
    with pytest.raises(UsageError, match="no run below"):
        write_index(tmp_path)
    (tmp_path / PAGE).write_text("mine")
    with pytest.raises(UsageError, match="left as it is"):
        write_index(tmp_path)
    assert (tmp_path / PAGE).read_text() == "mine"
