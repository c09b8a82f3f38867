"""The variance over test rows beside that over seeds: against the known standard error, and paired by row."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.numbers import number
from bench.analysis.row_variance import row_intervals
from bench.reports import write_report
from bench.reports.model import load_report
from bench.store.run_store import RunStore

ROWS = 200


def test_the_bootstrap_agrees_with_the_standard_error_of_a_mean():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(2, ROWS)) * np.array([[1.0], [3.0]])
    expected = 1.96 * errors.std(1, ddof=1) / ROWS**0.5
    assert row_intervals(errors, np.random.default_rng(1)) == pytest.approx(expected, rel=0.1)


def planted(path, lead, seeds=4):
    """Two variants on the same hard and easy rows; b is `lead` worse on every row, with a little of its own."""
    rng = np.random.default_rng(0)
    hard = rng.exponential(size=ROWS)
    with RunStore.create(path, FakeSpec({"name": "rows", "seeds": list(range(seeds))})) as store:
        for label, shift in (("a", 0.0), ("b", lead)):
            for seed in range(seeds):
                errors = hard + shift + 0.05 * rng.normal(size=ROWS) + 0.001 * seed
                cell = FakeCell(label, "data", seed)
                store.append(record(cell, {"test_mse": measurement(float(errors.mean()), False)}))
                store.save_arrays(cell.cell_id, {"row_errors": errors.astype(np.float32)})
    return path


def test_the_rows_of_a_difference_are_paired(tmp_path):
    """What is hard for both cancels: the difference is known far better than either mean."""
    found = load_report(planted(tmp_path / "run", 0.1)).test_rows["data"]
    assert found.labels == ["a", "b"] and found.n == ROWS
    assert found.behind == pytest.approx([0.0, 0.1], abs=0.01)
    assert found.halves == pytest.approx(1.96 / ROWS**0.5, rel=0.4)
    assert found.behind_halves[0] == 0 and found.behind_halves[1] < 0.1 * found.halves[1]


def test_a_row_counts_with_its_mean_over_seeds(tmp_path):
    """Errors that are new with every seed average out: with sixteen seeds a quarter of the width is left."""
    rng = np.random.default_rng(2)
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "rows", "seeds": list(range(16))})) as store:
        for label in ("a", "b"):
            for seed in range(16):
                errors = 1 + 0.1 * rng.normal(size=ROWS) + (label == "b")
                cell = FakeCell(label, "data", seed)
                store.append(record(cell, {"test_mse": measurement(float(errors.mean()), False)}))
                store.save_arrays(cell.cell_id, {"row_errors": errors.astype(np.float32)})
    found = load_report(tmp_path / "run").test_rows["data"]
    assert found.halves == pytest.approx(1.96 * 0.1 / 4 / ROWS**0.5, rel=0.25)
    assert found.means == pytest.approx([1.0, 2.0], abs=0.01)


def test_the_table_shows_each_half_in_its_column(tmp_path):
    report = load_report(planted(tmp_path / "run", 0.1))
    found, section = report.test_rows["data"], report.sections[0]
    first, second = found.texts
    cell = section.cells[1, "test_mse"]
    assert len(first) == len(second) == len(found.columns)
    shown = dict(zip(found.columns[:5], second[:5], strict=True))
    assert shown["± seeds"] == number(cell.high - cell.mean, 2)
    assert shown["± test rows"] == number(float(found.halves[1]), 2)
    assert shown["Behind the best"].startswith("+0.1") and second[6] == number(float(found.behind_halves[1]), 2)
    assert first[4:] == ("", "", "")


def test_the_report_shows_both_and_says_which_is_which(tmp_path):
    run = planted(tmp_path / "run", 0.1)
    write_report(run, ["md", "html"])
    for text in ((run / "report.md").read_text(), (run / "report.html").read_text()):
        assert "± test rows" in text and "Neither speaks of another division of the data" in text
        assert "Which variance is which" in text


def test_without_stored_errors_nothing_is_said(tmp_path):
    run = planted(tmp_path / "run", 0.1)
    for path in (run / "arrays").glob("*"):
        path.unlink()
    assert load_report(run).test_rows == {}
