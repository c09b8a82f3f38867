"""The report of a table: marks that are known beforehand, the same as those of a run, and folders that it spares."""

import numpy as np
import pandas as pd
import pytest
from synthetic import make_run

import bench
from bench.errors import UsageError
from bench.reports import write_report
from bench.reports.of_table import report_table
from bench.store.run_store import RunStore


def planted(shift=0.0, noise=0.01, seeds=range(6)):
    """`test_mse` of three variants over common seeds: `good` is best by far, `twin` differs from `good` by `shift`."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in seeds:
        common = rng.normal()
        for name, level in (("poor", 2.0), ("good", 1.0), ("twin", 1.0 + shift)):
            value = level + 0.1 * common + noise * rng.normal()
            rows.append({"variant": name, "dataset": "d", "seed": seed, "metric": "test_mse", "value": value})
    return pd.DataFrame(rows)


def marks(folder):
    table = pd.read_csv(folder / "summary.csv", keep_default_na=False)
    return dict(zip(table["variant_label"], table["mark"], strict=True))


def test_the_marks_of_planted_results_are_those_that_they_must_have(tmp_path):
    report_table(planted(shift=0.5), tmp_path / "far", formats=["csv"])
    assert marks(tmp_path / "far") == {"poor": "", "good": "best", "twin": ""}
    report_table(planted(shift=0.0), tmp_path / "near", formats=["csv"])
    assert {marks(tmp_path / "near")[name] for name in ("good", "twin")} == {"shared"}
    report_table(planted(shift=0.5).assign(higher_is_better=True), tmp_path / "up", formats=["csv"])
    assert marks(tmp_path / "up") == {"poor": "best", "good": "", "twin": ""}


def test_a_metric_without_a_direction_marks_nobody_and_the_report_says_so(tmp_path):
    report_table(planted(shift=0.5).assign(metric="mine"), tmp_path / "out", formats=["csv", "md"])
    assert set(marks(tmp_path / "out").values()) == {""}
    assert "high or low values of mine are better" in (tmp_path / "out" / "report.md").read_text()


def test_two_runs_put_together_are_reported_as_the_one_run_that_they_are(tmp_path):
    whole = make_run(tmp_path / "whole", variants=("ae", "vae"), seeds=range(4), with_arrays=False)
    parts = [make_run(tmp_path / name, variants=(name,), seeds=range(4), with_arrays=False) for name in ("ae", "vae")]
    frame = pd.concat([bench.load(part) for part in parts], ignore_index=True)
    files = bench.report(frame, tmp_path / "out", baseline="ae")
    assert {path.name for path in files} >= {"report.md", "report.html", "results.csv", "summary.csv"}
    write_report(whole, ["csv"])
    for name in ("summary.csv", "differences.csv", "results.csv"):
        ours, theirs = (pd.read_csv(folder / name) for folder in (tmp_path / "out", whole))
        left = [frame.drop(columns="unit", errors="ignore") for frame in (ours, theirs)]  # invented runs have none
        pd.testing.assert_frame_equal(*left, rtol=1e-12)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "aebench run" not in text and "Networks" not in text
    assert "All 8 cells have results." in text


def test_a_report_may_be_written_again_but_no_other_folder_is_touched(tmp_path):
    for _ in range(2):
        report_table(planted(), tmp_path / "out", formats=["csv", "md"])
    run = make_run(tmp_path / "run", variants=("ae",), seeds=[0], with_arrays=False)
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(UsageError, match=r"holds .*, which is no report of a table; give a new folder"):
        report_table(planted(), run)
    assert sorted(path.name for path in run.iterdir()) == before


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path):
    for arguments, message in (
        ({"baseline": "goud"}, "baseline 'goud'.*good"),
        ({"select": "val_mse"}, "metric 'val_mse'"),
        ({"formats": ["pdf"]}, "format 'pdf'"),
    ):
        with pytest.raises(UsageError, match=message):
            report_table(planted(), tmp_path / "out", **arguments)
    with pytest.raises(UsageError, match="test_mse of poor on d with seed 0 is in the table twice"):
        bench.report(pd.concat([planted(), planted()]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_store_of_a_table_has_no_records(tmp_path):
    run = RunStore.open(make_run(tmp_path / "run", variants=("ae",), seeds=[0], with_arrays=False))
    store = RunStore.holding(tmp_path / "none", {"name": "t"}, run.data())
    assert store.data() is run.data() and store.of_table
    assert (store.load_arrays("x"), store.environments(), store.files_of("x")) == ({}, {}, {})
