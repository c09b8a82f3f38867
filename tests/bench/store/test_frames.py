"""Tidy frames in columns: what a run's own table gives back, and what is refused, each in one line."""

import numpy as np
import pandas as pd
import pytest
from synthetic import make_run

import bench
from bench.errors import UsageError
from bench.reports.csv_tables import results_frame
from bench.store.frames import joined, run_data, without_cells
from bench.store.measurements import MetricInfo
from bench.store.run_store import RunStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run", variants=("ae", "vae"), seeds=range(3), with_arrays=False)


def small(**columns):
    """Two variants, two seeds, one metric; `columns` replace or add some."""
    base = {
        "variant": list("aabb"),
        "dataset": "d",
        "seed": [0, 1, 0, 1],
        "metric": "test_mse",
        "value": [1.0, 2, 3, 4],
    }
    return pd.DataFrame({**base, **columns})


def test_the_table_of_a_run_gives_the_runs_cells_and_measurements_back(run, tmp_path):
    own = RunStore.open(run).data()
    frame = results_frame(own)
    frame.to_csv(tmp_path / "results.csv", index=False)
    for given in (frame, bench.load(run), pd.read_csv(tmp_path / "results.csv")):
        found = run_data(given)
        pd.testing.assert_frame_equal(found.frame(), own.frame(), rtol=1e-15)
        assert found.metrics == own.metrics
        shared = ["cell_id", "variant_label", "seed", "status", "kl_weight", "t_train", "n_params", "split"]
        pd.testing.assert_frame_equal(found.cells[shared], own.cells[shared], check_dtype=False)
        assert list(found.cells["timing_valid"]) == list(own.cells["timing_valid"])
        assert found.notes == []


def test_cells_without_measurements_keep_their_reason():
    frame = small(metric=["test_mse", "test_mse", "test_mse", ""], value=[1, 2, 3, None], status=["ok"] * 3 + ["oom"])
    data = run_data(frame.assign(reason=["", "", "", "no memory"]))
    assert list(data.cells["status"]) == ["ok", "ok", "ok", "oom"]
    assert (list(data.cells["reason"].fillna("")), len(data.cell)) == (["", "", "", "no memory"], 3)


def test_rows_in_any_order_give_the_same_values_by_cell():
    frame = small()
    shuffled = run_data(frame.iloc[[3, 0, 2, 1]])
    found = {(v, s): x for v, s, x in shuffled.frame()[["variant", "seed", "value"]].itertuples(index=False)}
    assert found == {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 3.0, ("b", 1): 4.0}


def test_directions_come_from_the_frame_then_from_what_is_known_and_else_a_note_says_that_there_is_none():
    known = {"test_mse": MetricInfo("test_mse", "per dim", False)}
    assert run_data(small(), known).metrics == [MetricInfo("test_mse", "per dim", False)]
    assert run_data(small(higher_is_better=True), known).metrics[0].higher_is_better is True
    assert run_data(small(metric="kl[3]"), {"kl": MetricInfo("kl", "nats", None)}).notes == []
    foreign = run_data(small(metric="mine"), known)
    assert foreign.metrics == [MetricInfo("mine", "", None)]
    assert foreign.notes == ["nothing says whether high or low values of mine are better, so nobody is marked in them"]


def test_variants_that_lack_seeds_are_named():
    assert run_data(small(higher_is_better=False).iloc[:3]).notes == [
        "the table has no results of b on d (seed 1), for which others have some"
    ]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (small().drop(columns=["seed", "value"]), "no column seed, value; give the columns of results.csv"),
        (small().iloc[:0], "no rows"),
        (small(variant=["a", "a", None, "b"]), "variant is empty in row 3"),
        (small(seed=[0, 1, -1, 1]), "seed '-1' in row 3 of the table is not a whole number"),
        (small(seed=[0, 1, 0.5, 1]), "seed '0.5' in row 3"),
        (small(seed=[0, 1, None, 1]), "seed 'nan' in row 3"),
        (small(seed=True), "seed of the table holds truth values"),
        (small(value=[1, 2, 3, "x"]), "value 'x' in row 4 of the table is not a finite number"),
        (small(value=[1, 2, 3, np.inf]), "value 'inf' in row 4"),
        (small(value=[1, 2, np.nan, 4]), "test_mse of b on d with seed 0 is empty without a reason"),
        (small(seed=[0, 0, 0, 1]), "test_mse of a on d with seed 0 is in the table twice; leave one of them out"),
        (small(status="fine"), "status 'fine' of the table is not known; give one of ok, error"),
        (small(metric_status="good"), "metric_status 'good' of the table is not known"),
        (small(higher_is_better="up"), "higher_is_better 'up' of the table is neither True nor False"),
        (small(higher_is_better=[True, True, False, True]), "higher_is_better of test_mse is both True and False"),
        (small(split="[1]"), "split '\\[1\\]' of the table is no JSON object"),
        (
            small(split=['{"checksum": "x"}'] * 2 + ['{"checksum": "y"}'] * 2),
            "d is two data sets in the table: its checksum is x for a and y for b",
        ),
        (
            small(seed=[0, 0, 0, 1], metric=["m", "n", "m", "m"], cell_id=["1", "2", "3", "4"]),
            "two trainings of a on d with seed 0 \\(cell_id 1 and 2\\)",
        ),
        (pd.concat([small(), small()[["value"]]], axis=1), "several columns called value"),
    ],
)
def test_what_a_frame_lacks_or_contradicts_is_one_line(frame, message):
    with pytest.raises(UsageError, match=message) as error:
        run_data(frame)
    assert "\n" not in str(error.value)


def test_joined_data_are_all_cells_of_both_with_their_values():
    one, other = run_data(small()), run_data(small(variant=list("ccdd"), metric="kl", value=[5.0, 6, 7, 8]))
    both = joined(one, other)
    assert list(both.cells["variant_label"]) == list("aabbccdd")
    pd.testing.assert_frame_equal(both.frame(), pd.concat([one.frame(), other.frame()], ignore_index=True))
    assert [info.name for info in both.metrics] == ["test_mse", "kl"]
    left = without_cells(both, (both.cells["variant_label"] == "b").to_numpy())
    assert list(left.frame()["variant"]) == list("aaccdd") and list(left.frame()["value"]) == [1, 2, 5, 6, 7, 8]
