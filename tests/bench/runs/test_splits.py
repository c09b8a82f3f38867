"""A run over several splits: real cells of each, their files, and the reports and comparisons that rest on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from runs import execute, records, table
from synthetic import FakeCell, FakeSpec, measurement, record

import bench
import bench.runs.runner
from bench.analysis.compare import compare
from bench.errors import UsageError
from bench.reports import write_report
from bench.reports.csv_tables import RESULT_COLUMNS, result_columns, summary_frame
from bench.reports.model import load_report
from bench.reports.views.compare_markdown import comparison_markdown
from bench.store.run_store import RunStore

SPLITS, SEEDS = 5, 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """ae and vae on three splits of 120 rows, called first for one split alone."""
    folder = tmp_path_factory.mktemp("splits")
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32))
    settings = {"dataset": [f"file[path={folder / 'rows.npy'}]"], "steps": 8, "n_jobs": 1, "metrics": "test_mse"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.runs.runner, "report_run", lambda store: [])
        patch.setattr(bench.runs.runner, "measure_core", lambda *arguments: None)
        alone = execute(folder / "run", **settings)
        first = table(alone.directory), records(alone.directory)
        outcome = execute(folder / "run", splits=3, **settings)
    return outcome, first


def test_the_first_split_is_kept_and_the_others_are_trained(run):
    outcome, (_, before) = run
    assert (outcome.n_cells, outcome.n_run, outcome.n_failed) == (12, 8, 0)
    found = list(RunStore.open(outcome.directory).records().values())
    assert {(r["variant"], r["split_number"], r["seed"]) for r in found} == {
        (variant, split, seed) for variant in ("ae", "vae") for split in range(3) for seed in range(2)
    }
    for entry in found:
        assert entry["dataset_params"]["split_seed"] == entry["split_number"]
        if entry["split_number"] == 0:
            assert entry["metrics"] == before[entry["variant"], entry["seed"]]["metrics"]


def test_variants_share_the_rows_of_a_split_and_splits_do_not(run):
    found = RunStore.open(run[0].directory).records().values()
    rows = {(r["variant"], r["split_number"]): r["split"]["checksum"] for r in found}
    assert [rows["ae", split] for split in range(3)] == [rows["vae", split] for split in range(3)]
    assert len({rows["ae", split] for split in range(3)}) == 3


def test_results_name_the_split_only_where_there_are_several(run):
    outcome, (alone, _) = run
    assert set(alone) <= set(RESULT_COLUMNS)
    frame = bench.load(outcome.directory)
    assert list(frame.columns) == [*RESULT_COLUMNS, "split_number"]
    assert sorted(set(zip(frame["split_number"], frame["seed"], strict=True))) == [
        (split, seed) for split in range(3) for seed in range(2)
    ]
    from bench.reports.csv_tables import export

    export(RunStore.open(outcome.directory))
    written = pd.read_csv(outcome.directory / "results.csv")
    pd.testing.assert_series_equal(written["value"], frame["value"], check_dtype=False)
    assert written["split_number"].tolist() == frame["split_number"].tolist()


def test_a_model_of_each_split_can_be_loaded(run):
    directory = run[0].directory
    models = [bench.load_model(directory, "ae", seed=1, split=split) for split in range(3)]
    assert [model.info["split_number"] for model in models] == [0, 1, 2]
    assert not np.allclose(models[0].encode(np.ones((1, 6))), models[1].encode(np.ones((1, 6))))
    with pytest.raises(UsageError, match="ae has no split 7 here; splits: 0, 1, 2"):
        bench.load_model(directory, "ae", split=7)


def planted(path, values, variants=("a", "b"), **changes):
    """A run with the metric m over SPLITS × SEEDS: {variant: (splits, seeds)}."""
    spec = {"name": "m", "seeds": list(range(SEEDS)), "splits": SPLITS, "dataset": ["digits"], "baseline": "a"}
    cells = [FakeCell(v, "digits", s, k) for v in variants for k in range(SPLITS) for s in range(SEEDS)]
    with RunStore.create(path, FakeSpec(spec), plan=cells) as store:
        for cell in cells:
            value = float(values[cell.variant_label][cell.split_number, cell.seed])
            store.append(record(cell, {"test_mse": measurement(value, False)}, **changes))
            store.save_arrays(cell.cell_id, {"row_errors": np.full(40, value, np.float32) + np.arange(40) / 1000})
    return path


@pytest.fixture
def uneven():
    """b is much worse on one split, and about the same on the others: sure over 15 values, open over 5 splits."""
    rng = np.random.default_rng(0)
    a = 1 + 0.01 * rng.normal(size=(SPLITS, SEEDS))
    factor = np.array([1.6, 1.1, 1.0, 1.15, 1.05])[:, None]
    return {"a": a, "b": a * factor * (1 + 0.002 * rng.normal(size=a.shape))}


def test_the_report_rests_on_splits_and_says_which_variance_is_which(tmp_path, uneven):
    report = load_report(planted(tmp_path / "run", uneven))
    (section,) = report.sections
    cell = section.cells[1, "test_mse"]
    means = uneven["b"].mean(1)
    assert cell.n == SPLITS and cell.mean == pytest.approx(means.mean())
    wide = 2.776 * means.std(ddof=1) * (1 / SPLITS + 360 / 1078) ** 0.5
    assert cell.high - cell.mean == pytest.approx(wide, rel=1e-3)
    assert section.leads["test_mse"].marks == {}
    write_report(tmp_path / "run", ["md", "html"])
    for text in ((tmp_path / "run" / "report.md").read_text(), (tmp_path / "run" / "report.html").read_text()):
        assert "other random splits of the data" in text
        assert "± splits × seeds" in text and "sd of splits" in text and "± test rows" in text
        assert "paired by split and seed" in text and "conditional on the one" not in text
    assert "--splits 5" in report.command


def test_a_difference_on_every_split_is_marked(tmp_path):
    rng = np.random.default_rng(1)
    a = 1 + 0.1 * rng.normal(size=(SPLITS, 1)) + 0.01 * rng.normal(size=(SPLITS, SEEDS))
    report = load_report(planted(tmp_path / "run", {"a": a, "b": 1.2 * a + 0.001 * rng.normal(size=a.shape)}))
    assert report.sections[0].leads["test_mse"].marks == {0: "best"}


def test_claims_are_not_judged_over_splits(tmp_path, uneven):
    report = load_report(planted(tmp_path / "run", uneven))
    assert report.claims == [] and all("run without --splits" in why for why in report.untested.values())


def test_a_comparison_rests_on_splits(tmp_path, uneven):
    base, new = {"a": uneven["a"]}, {"a": uneven["b"]}
    found = compare(planted(tmp_path / "base", base, ("a",)), planted(tmp_path / "new", new, ("a",)))
    (change,) = found.changes
    assert (change.mark, change.n, change.unit) == ("?", SPLITS, "split")
    assert "Several data splits" in comparison_markdown(found) and "5 common splits" in comparison_markdown(found)
    worse = compare(tmp_path / "base", planted(tmp_path / "worse", {"a": 1.3 * uneven["a"]}, ("a",)))
    assert [change.mark for change in worse.changes] == ["-"]
    again = compare(tmp_path / "base", tmp_path / "worse", across_settings=True)
    assert [change.n for change in again.changes] == [SPLITS] and again.lost == []


def test_the_summary_rests_on_splits(tmp_path, uneven):
    store = RunStore.open(planted(tmp_path / "run", uneven))
    frame = summary_frame(store.data()).set_index("variant_label")
    cell = load_report(store).sections[0].cells[1, "test_mse"]
    assert frame.loc["b", ["mean", "low", "high"]].tolist() == pytest.approx([cell.mean, cell.low, cell.high])
    assert frame.loc["b", "n"] == SPLITS * SEEDS
    assert "split_number" in result_columns(store.data())


def test_a_cell_that_a_run_of_one_split_left_is_called_as_the_plan_says(tmp_path):
    """digits[split_seed=1] alone was split 0 of its run; now it is split 1 of digits."""
    cells = [FakeCell("a", "digits", 0, split) for split in range(2)]
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "m", "splits": 2}), plan=cells) as store:
        store.append(record(cells[0], {"test_mse": measurement(1.0, False)}))
        earlier = {"dataset_label": "digits[split_seed=1]", "split_number": 0}
        store.append(record(cells[1], {"test_mse": measurement(3.0, False)}, **earlier))
    (section,) = load_report(tmp_path / "run").sections
    assert section.label == "digits" and section.design.splits.tolist() == [0, 1]
    assert section.values["test_mse"].tolist() == [[1.0, 3.0]]


def test_a_failed_cell_is_named_with_its_split(tmp_path):
    cells = [FakeCell("a", "digits", 0, 2), FakeCell("a", "digits", 0, 0)]
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "m", "splits": 3}), plan=cells) as store:
        store.append(record(cells[0], status="error", reason="it broke"))
        store.append(record(cells[1], {"test_mse": measurement(1.0, False)}))
    (failure,) = load_report(tmp_path / "run").failures
    assert failure.repeat == "0 (split 2)"
