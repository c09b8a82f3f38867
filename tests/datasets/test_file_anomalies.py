"""Anomalies of one's own files: by a value of a column or in another file, and what is refused."""

import numpy as np
import pytest

from bench.errors import UsageError


def _table(path, rows, columns="a,b,text,kind"):
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def _rows(n, kind, base=0.0):
    rng = np.random.default_rng(len(kind) + n)
    return [(round(base + v, 6), round(base - v, 6), "xy"[i % 2], kind) for i, v in enumerate(rng.standard_normal(n))]


def test_a_value_of_a_column_marks_anomalies(module, tmp_path):
    path = _table(tmp_path / "t.csv", _rows(60, "good") + _rows(9, "bad", 50) + _rows(5, "worse", 90))
    split = module("file").load(path, anomaly="kind:bad,worse")
    assert split.anomaly_names == ("bad", "worse") and split.anomaly_kinds.tolist() == [0] * 9 + [1] * 5
    assert split.train_labels is None and len(split.train) + len(split.validation) + len(split.test) == 60
    assert np.abs(split.train[:, :2].mean(0)).max() < 1e-5 and split.anomalies[:, 0].min() > 20


def test_another_file_holds_anomalies_with_the_medians_of_training(module, tmp_path):
    path = _table(tmp_path / "t.csv", _rows(60, "good"))
    odd = [("", b, "z", a) for a, b, _, _ in _rows(4, "odd", 50)]  # a missing value, a text that training lacks
    other = _table(tmp_path / "odd.csv", [(text, b, a, kind) for a, b, text, kind in odd], "text,b,a,kind")
    split = module("file").load(path, label="kind", anomalies=other, scale="none")
    assert split.anomaly_names == ("odd",) and len(split.anomalies) == 4
    np.testing.assert_allclose(split.anomalies[:, 0], np.median(split.train[:, 0]), rtol=1e-5)
    assert split.anomalies[:, 1].max() < -40 or split.anomalies[:, 1].min() > 40


def test_arrays_may_have_anomalies_in_another_file(module, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.standard_normal((50, 3)))
    np.save(tmp_path / "odd.npy", rng.standard_normal((5, 3)) + 100)
    split = module("file").load(str(tmp_path / "x.npy"), anomalies=str(tmp_path / "odd.npy"), scale="none")
    assert len(split.anomalies) == 5 and split.anomalies.min() > 90 and split.train.max() < 90


@pytest.mark.parametrize(
    "given, message",
    [
        ({"anomaly": "bad"}, "is not COLUMN:VALUE"),
        ({"anomaly": "kind:none"}, "unknown anomalous class 'none'"),
        ({"anomaly": "color:bad"}, "color"),
        ({"anomaly": "kind:bad", "label": "text"}, "is not in the column of labels"),
        ({"anomaly": "kind:bad", "anomalies": "odd.csv"}, "give one of them"),
        ({"anomalies": "t.csv"}, "the file of the data itself"),
        ({"anomalies": "narrow.csv"}, "has a column 'b' that 'narrow.csv' lacks"),
        ({"anomalies": "x.npy"}, "not of the type"),
        ({"anomalies": "empty.csv"}, "'empty.csv' has column names but no rows"),
        ({"anomaly": "kind:good,bad"}, "names every class there is, so that no row is normal"),
        ({"anomaly": "kind:bad", "test": 0}, "test=0: at least one row is needed for testing"),
        ({"anomaly": "kind:bad", "contamination": 0.4}, "at least one must be left to test on"),
        ({"contamination": 0.1}, "no anomalies to leave in training"),
    ],
)
def test_anomalies_of_files_are_refused_in_one_line(module, tmp_path, given, message):
    path = _table(tmp_path / "t.csv", _rows(60, "good") + _rows(9, "bad"))
    _table(tmp_path / "narrow.csv", [(a, text, kind) for a, _, text, kind in _rows(3, "odd")], "a,text,kind")
    _table(tmp_path / "odd.csv", _rows(3, "odd"))
    _table(tmp_path / "empty.csv", [])
    np.save(tmp_path / "x.npy", np.zeros((3, 3)))
    if "anomalies" in given:
        given = {**given, "anomalies": str(tmp_path / given["anomalies"])}
    with pytest.raises(UsageError, match=message) as raised:
        module("file").load(path, **given)
    assert "\n" not in str(raised.value)
