"""Small tables in a run: the batch follows their rows, and too few of them cost their own cells only."""

import csv

import pytest
from runs import execute
from sklearn.datasets import load_iris

from bench.errors import UsageError

FEW = {"variant": ["ae"], "seeds": 1, "steps": 3}


@pytest.fixture
def iris(tmp_path, monkeypatch):
    """iris.csv as R's write.csv writes it, and pandas.csv as pandas does; reports are left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.runs.runner.report_run", lambda store: [])
    monkeypatch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
    frame = load_iris(as_frame=True).frame.replace({"target": dict(enumerate(["setosa", "versicolor", "virginica"]))})
    frame.to_csv("pandas.csv")
    frame.set_axis([str(row + 1) for row in range(150)]).to_csv("iris.csv", quoting=csv.QUOTE_NONNUMERIC)


def records(outcome):
    return list(outcome.store.iter_records())


@pytest.mark.parametrize("name", ["iris.csv", "pandas.csv"])
def test_iris_runs_as_r_and_pandas_write_it(iris, tmp_path, name, capsys):
    (record,) = records(execute(tmp_path / "run", dataset=[name], batch_size=None, n_jobs=1, **FEW | {"quiet": False}))
    said = capsys.readouterr().err
    for decision in (
        "column 1 (without a name) read as row names",
        "text read as kinds",
        "batches of 24, a quarter of",
    ):
        assert f"{name}: {decision}" in said
    assert (record["status"], record["batch_size"], record["split"]["n_train"]) == ("ok", 24, 96)
    assert record["split"]["data_shape"] == [7] and "'target' (3 kinds: " in record["split"]["description"]
    assert record["dataset"] == "file" and record["dataset_params"]["path"] == name


def test_too_few_rows_cost_their_own_data_set(iris, tmp_path):
    (tmp_path / "two.csv").write_text("a,b\n1,2\n3,5\n")
    data = ["iris.csv", "two.csv", "linear-gaussian[d=6,n=300]"]
    outcome = execute(tmp_path / "run", dataset=data, batch_size=100, **FEW)
    found = {record["dataset_label"]: record for record in records(outcome)}
    assert [record["status"] for record in found.values()] == ["skipped", "skipped", "ok"]
    reasons = [record.get("reason") for record in found.values()]
    assert "has 96 training rows, fewer than one batch of 100" in reasons[0] and "too few rows: of 2" in reasons[1]
    assert outcome.n_failed == 0 and outcome.n_skipped == 2


@pytest.mark.parametrize(
    "name, size, words", [("iris.csv", 100, "fewer than one batch of 100"), ("a.csv", None, "too few")]
)
def test_too_few_rows_alone_are_refused_before_anything_is_written(iris, tmp_path, name, size, words):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,5\n")
    with pytest.raises(UsageError, match=words):
        execute(tmp_path / "run", dataset=[name], batch_size=size, **FEW)
    assert not (tmp_path / "run").exists()


def test_a_fault_that_more_rows_would_not_mend_ends_a_run_over_several(iris, tmp_path):
    (tmp_path / "text.csv").write_text("a,b\n1,2\n3,red\n" * 20)
    with pytest.raises(UsageError, match=r"'text\.csv'"):
        execute(tmp_path / "run", dataset=["iris.csv", "text.csv[strict=true]"], batch_size=None, **FEW)
