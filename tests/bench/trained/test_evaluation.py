"""`eval` of new rows: held-out rows have the run's own error, planted changes are said, the run stays as it was."""

import csv
import hashlib

import numpy as np
import pandas as pd
import pytest
from runs import execute

from bench import best_model, load_model
from bench.errors import UsageError
from bench.store.run_store import RunStore
from bench.trained.evaluation import evaluate_new, lines
from bench.trained.new_rows import training_data

N = 240
RNG = np.random.default_rng(0)


def rows(n, seed, shift=0.0, kinds=("red", "green")):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    x = z @ np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 1.0]]) + 0.1 * rng.normal(size=(n, 3))
    frame = pd.DataFrame(x * [1, 100, 5] + [0, 1000 + 300 * shift, 3], columns=["mass", "length", "age"])
    return frame.assign(kind=[kinds[i % len(kinds)] for i in range(n)], weight=7.5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one variant on a table of numbers and text; (its folder, the table's file)."""
    folder = tmp_path_factory.mktemp("eval")
    rows(N, 0).to_csv(folder / "old.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda run: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        data = [f"file[path={folder / 'old.csv'}]"]
        outcome = execute(folder / "run", variant=["ae"], dataset=data, seeds=1, steps=60, metrics="test_mse",
                          batch_size=None)  # fmt: skip
    return outcome.directory, folder / "old.csv"


@pytest.fixture
def new(tmp_path):
    def new(frame):
        frame.to_csv(tmp_path / "new.csv", index=False)
        return tmp_path / "new.csv"

    return new


def marks(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_held_out_error_is_the_runs_and_a_row_has_its_own(trained, new):
    run, _ = trained
    model = load_model(run, "ae")
    found = evaluate_new(model, new(rows(50, 1)))
    (record,) = RunStore.open(run).records().values()
    assert found.held_out.mean() == pytest.approx(record["metrics"]["test_mse"]["value"], rel=1e-5)
    raw = rows(50, 1).drop(columns=["kind"])
    kinds = np.stack([rows(50, 1)["kind"] == kind for kind in ("green", "red")], axis=1)
    X = np.hstack([raw.to_numpy(), kinds])  # numbers first, then a column for each kind
    np.testing.assert_allclose(found.errors, -model.score_samples(X))
    by_hand = (found.held_out[None] >= found.errors[:, None]).mean(1)
    np.testing.assert_allclose(found.rarity, by_hand)


def test_a_score_of_the_variants_own_takes_no_errors_place(trained, new, monkeypatch):
    model, path = load_model(trained[0], "ae"), new(rows(50, 1))
    plain = evaluate_new(model, path)
    monkeypatch.setattr("bench.trained_model.declared_score", lambda variant: lambda x: x.flatten(1).sum(1))
    np.testing.assert_array_equal(evaluate_new(model, path).errors, plain.errors)


def test_rows_of_the_same_source_do_not_drift_and_planted_changes_are_said(trained, new):
    run, _ = trained
    model = load_model(run, "ae")
    text = "\n".join(lines(evaluate_new(model, new(rows(60, 2)))))
    assert "drift: none shown in 5 columns" in text and "no difference shown" in text
    other = rows(60, 3, shift=2.0, kinds=("red", "violet")).assign(weight=8.0)
    found = evaluate_new(model, new(other))
    text = "\n".join(lines(found))
    assert {one.name for one in found.columns if one.drifted} == {"length", "kind", "weight"}
    assert "drift: 3 of 5 columns differ" in text and "larger errors (rank test p < 0.0001)" in text
    assert "kinds of 'kind' that no training row has: 'violet' (30)" in text
    assert found.errors.mean() > 1.5 * found.held_out.mean()


def test_the_command_writes_a_line_for_each_row_and_leaves_the_run_alone(trained, new, call, tmp_path):
    run, _ = trained
    before, frame = marks(run), rows(40, 4)
    frame.loc[3, "age"] = None
    code, out, err = call("eval", run, "-d", new(frame), "-o", "errors.csv")
    assert (
        (code, err) == (0, "") and "ae with seed 0, trained on file" in out and "errors of 40 rows: errors.csv" in out
    )
    assert "missing values filled as in training: 'age' (1)" in out
    table = [*csv.DictReader((tmp_path / "errors.csv").read_text().splitlines())]
    found = evaluate_new(load_model(run, "ae"), tmp_path / "new.csv")
    assert [int(line["row"]) for line in table] == [*range(1, 41)]
    np.testing.assert_array_equal([float(line["error"]) for line in table], found.errors)
    assert marks(run) == before
    assert call("eval", run, "-d", "new.csv", "-o", "errors.csv")[::2] == (
        2, "error: errors.csv is there already; give another name, or --force to write over it\n")  # fmt: skip
    assert call("eval", run, "-d", "new.csv", "-o", "errors.csv", "-f")[0] == 0
    assert "lies in the folder of the run" in call("eval", run, "-d", "new.csv", "-o", run / "errors.csv")[2]
    assert "is what is read" in call("eval", run, "-d", "new.csv", "-o", "new.csv", "-f")[2]


def test_what_does_not_fit_is_one_line(trained, new, call, tmp_path):
    run, _ = trained
    frame = rows(20, 5)
    for wrong, words in (
        (frame.drop(columns="age"), "lacks the column 'age'"),
        (frame[["length", "mass", "age", "kind", "weight"]], "'length' stands where 'mass' is expected"),
        (frame.assign(mass="much"), "'much' at line 2, column 'mass' is no finite number"),
    ):
        code, _, err = call("eval", run, "-d", new(wrong))
        assert code == 2 and words in err and err.count("\n") == 1, err
    np.save(tmp_path / "x.npy", np.zeros((3, 5)))
    assert "'x.npy' is no .csv file as the training data" in call("eval", run, "-d", "x.npy")[2]
    assert "'gone.csv' does not exist" in call("eval", run, "-d", "gone.csv")[2]
    assert "unknown variant" in call("eval", run, "-d", new(frame), "-m", "vae")[2]


def test_training_data_that_changed_or_are_gone_are_refused(trained, new, call):
    run, old = trained
    path, text = new(rows(20, 5)), old.read_text()
    try:
        old.write_text(text.replace("7.5", "7.25", 1))
        assert "are not what they were when the model was trained" in call("eval", run, "-d", path)[2]
        old.unlink()
        assert "does not exist" in call("eval", run, "-d", path)[2]
    finally:
        old.write_text(text)


def test_data_that_are_no_file_are_named(tmp_path, no_report, new):
    run = execute(tmp_path / "run", variant=["ae"], seeds=1, steps=2, metrics="test_mse").directory
    with pytest.raises(UsageError, match=r"trained on linear-gaussian.*score_samples\(X\) from Python"):
        evaluate_new(load_model(run, "ae"), new(rows(5, 0)))
    with pytest.raises(UsageError, match="data were arrays"):
        training_data({"dataset": "arrays"}, None)
    with pytest.raises(UsageError, match=r"nobody can be named|nothing to compare ae with"):
        best_model(run)


def test_arrays_on_disk(tmp_path, no_report):
    """Pictures in a .npy file, whose new rows are scaled as the training rows were."""
    pictures = (RNG.random((90, 4, 4)) * 255).astype(np.uint8)
    np.save(tmp_path / "old.npy", pictures)
    np.save(tmp_path / "new.npy", pictures[:20])
    np.save(tmp_path / "other.npy", pictures[:20, :3])
    run = execute(tmp_path / "run", variant=["ae"], dataset=[f"file[path={tmp_path / 'old.npy'}]"], seeds=1, steps=2,
                  batch_size=None, metrics="test_mse").directory  # fmt: skip
    model = load_model(run, "ae")
    found = evaluate_new(model, tmp_path / "new.npy")
    np.testing.assert_allclose(found.errors, -model.score_samples(pictures[:20]))
    assert len(found.columns) == 16 and found.columns[0].name == "value 0"
    assert not any(one.drifted for one in found.columns)
    with pytest.raises(UsageError, match="shape"):
        evaluate_new(model, tmp_path / "other.npy")
