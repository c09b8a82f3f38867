"""The CSV files: columns in order, one row per measurement, nothing unexplained, safe in a spreadsheet."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from synthetic import CENTRES, FakeCell, FakeSpec, make_run, measurement, record

from bench.reports.csv_tables import RESULT_COLUMNS, export, results_frame, summary_frame
from bench.store.run_store import RunStore

DESIGN = (
    "run_id,cell_id,variant,variant_params,dataset,dataset_params,seed,status,metric,value,unit,higher_is_better,"
    "metric_status,reason,split,t_train,t_eval,peak_rss,peak_cuda,n_params,flops,timing_valid,code_hash,git_sha,"
    "env_hash,engine,device,num_threads,started_at,error_type,error"
).split(",")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    failed = FakeCell("vae", "digits", 2)
    failures = {failed: {"status": "diverged", "reason": "loss was NaN at step 7", "error_type": "Diverged"}}
    return make_run(tmp_path_factory.mktemp("tables") / "run", seeds=range(4), failures=failures)


def test_results_csv_has_the_columns_of_the_design_first(run):
    export(RunStore.open(run))
    with open(run / "results.csv", newline="") as lines:
        header = next(csv.reader(lines))
    assert header[: len(DESIGN)] == DESIGN
    assert tuple(header) == RESULT_COLUMNS


def test_results_csv_equals_the_frame_and_the_records(run):
    store = RunStore.open(run)
    export(store)
    frame = results_frame(store.data())
    read = pd.read_csv(run / "results.csv", keep_default_na=False, dtype=str)
    assert len(read) == len(frame)
    expected = {}
    for entry in store.records().values():
        for name, value in entry["metrics"].items():
            expected[entry["cell_id"], name] = value["value"]
        if not entry["metrics"]:
            expected[entry["cell_id"], ""] = None
    found = {(row.cell_id, row.metric): (float(row.value) if row.value else None) for row in read.itertuples()}
    assert found == expected  # to the bit
    assert np.array_equal(frame["value"].fillna(-1), [-1.0 if v == "" else float(v) for v in read["value"]])


def test_no_empty_value_is_unexplained_and_a_failed_cell_has_one_row(run):
    frame = results_frame(RunStore.open(run).data())
    empty = frame[frame["value"].isna()]
    assert len(empty) > 0 and (empty["reason"].str.len() > 0).all()
    failed = frame[frame["status"] != "ok"]
    assert len(failed) == 1
    assert failed.iloc[0][["metric", "status", "reason"]].tolist() == ["", "diverged", "loss was NaN at step 7"]


def test_summary_agrees_with_a_slow_independent_computation(run):
    store = RunStore.open(run)
    summary = summary_frame(store.data())
    cells = store.records().values()
    for row in summary.itertuples():
        own = [c for c in cells if c["variant_label"] == row.variant_label]
        values = [c["metrics"][row.metric]["value"] for c in own if row.metric in c["metrics"]]
        values = [value for value in values if value is not None]
        assert row.n == len(values)
        assert row.n_failed == sum(c["status"] != "ok" for c in own)
        if not values:
            assert np.isnan(row.mean) and row.reason
            continue
        low, high = scipy_stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy_stats.sem(values))
        expected = (np.mean(values), np.std(values, ddof=1), low, high, min(values), max(values))
        assert (row.mean, row.sd, row.low, row.high, row.min, row.max) == pytest.approx(expected, rel=1e-9)


def test_one_seed_gets_a_mean_and_no_interval(tmp_path):
    summary = summary_frame(RunStore.open(make_run(tmp_path / "run", seeds=[3], with_arrays=False)).data())
    some = summary[summary["n"] == 1]
    assert some["mean"].notna().all() and some[["sd", "low", "high"]].isna().all().all()


def test_rows_follow_the_plan_and_cells_outside_it_are_left_out(tmp_path):
    run = make_run(tmp_path / "run", seeds=range(2), with_arrays=False)
    wanted = [FakeCell(variant, "digits", 1) for variant in ("vae", "ae")]
    with RunStore.create(run, FakeSpec(), plan=wanted) as store:
        frame = results_frame(store.data())
    assert list(dict.fromkeys(frame["variant_label"])) == ["vae", "ae"]
    assert set(frame["seed"]) == {1}


def test_formulas_and_control_characters_do_not_reach_a_spreadsheet(tmp_path):
    cell = FakeCell("=HYPERLINK(1)", "digits", 0)
    hostile = record(cell, status="error", reason='+cmd|"/c calc"!A1\x1b[31m\nnext', error="@SUM(1)", error_type="-x")
    with RunStore.create(tmp_path / "run", FakeSpec()) as store:
        store.append(hostile)
        export(store)
    raw = (tmp_path / "run" / "results.csv").read_text()
    assert "\x1b" not in raw and raw.count("\n") == 2
    row = next(csv.DictReader(raw.splitlines()))
    for key in ("variant", "reason", "error", "error_type"):
        assert row[key][0] == "'", key


def test_a_negative_number_stays_a_number(tmp_path):
    with RunStore.create(tmp_path / "run", FakeSpec()) as store:
        store.append(record(FakeCell("ae", "digits", 0), {"test_neg_elbo": measurement(-12.5, False)}))
        export(store)
    assert pd.read_csv(tmp_path / "run" / "results.csv")["value"].tolist() == [-12.5]


def test_history_has_one_row_per_cell_part_term_and_step(run):
    export(RunStore.open(run))
    history = pd.read_csv(run / "history.csv")
    arrays = RunStore.open(run).load_arrays(FakeCell("vae", "digits", 0).cell_id)
    own = history[(history["variant"] == "vae") & (history["seed"] == 0)]
    curve = own[(own["part"] == "train") & (own["term"] == "kl")]
    assert np.allclose(curve["value"], arrays["history_train_kl"], rtol=1e-6)
    assert np.array_equal(curve["step"], arrays["history_step"])
    assert set(own["term"]) == {"loss", "kl"}
    assert history["variant"].nunique() == len(CENTRES)


def test_parameters_are_json(run):
    frame = results_frame(RunStore.open(run).data())
    assert all(isinstance(json.loads(text), dict) for text in frame["variant_params"].unique())
