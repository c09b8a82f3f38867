"""Test anomalies: set apart before anything is fitted, named where they leak, refused where they make no sense."""

from dataclasses import replace

import numpy as np
import pytest

from bench.contracts.dataset import Split, leaked_anomalies
from bench.data.anomalies import contaminate, named_classes
from bench.data.check_split import check_split
from bench.data.split_arrays import split_arrays
from bench.errors import DataError, UsageError

PARTS = ("train", "validation", "test", "anomalies")


def data(n=200, anomalies=40):
    """Rows of two normal classes and one far away, each row unlike any other; (x, y)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n + anomalies, 3))
    x[n:] += 1000
    y = np.array(["a"] * (n // 2) + ["b"] * (n - n // 2) + ["odd"] * anomalies)
    order = rng.permutation(len(x))
    return x[order], y[order]


def test_anomalies_touch_neither_parts_nor_scaling():
    """Rows, scaling and labels are those of the normal rows alone, in the same division, whatever else there is."""
    x, y = data()
    split = split_arrays(x, y, anomaly="odd", scale="standard")
    alone = split_arrays(x[y != "odd"], y[y != "odd"], scale="standard")
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(split, part), getattr(alone, part))
        np.testing.assert_array_equal(getattr(split, f"{part}_labels"), getattr(alone, f"{part}_labels"))
    np.testing.assert_array_equal(split.shift, alone.shift)
    assert split.label_names == ("a", "b") and split.anomaly_names == ("odd",)
    assert len(split.anomalies) == 40 and split.anomalies.min() > 100
    assert "40 test anomalies (40 of odd)" in split.description and "WARNING" not in split.description


def test_anomalies_offer_and_take_no_likelihood():
    x = np.random.default_rng(0).uniform(size=(100, 4))
    y = np.repeat([0, 1], [80, 20])
    far = np.where(y[:, None] == 1, x + 5, x)
    assert "bernoulli" in split_arrays(far, y, anomaly=1, scale="none").likelihoods
    check_split(split_arrays(far, y, anomaly=1, scale="none"), "far")


def test_every_anomaly_is_tested_once_with_its_kind():
    x, y = data()
    split = split_arrays(x, y, anomaly=["odd", "b"], scale="none")
    assert split.anomaly_names == ("b", "odd") and split.train_labels is None
    found = {row.tobytes(): kind for row, kind in zip(split.anomalies, split.anomaly_kinds, strict=True)}
    wanted = {row.astype(np.float32).tobytes(): {"b": 0, "odd": 1}[name]
              for row, name in zip(x, y, strict=True) if name != "a"}  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_contamination_is_the_share_that_it_says(share):
    x, y = data(1000, 200)
    split = split_arrays(x, y, anomaly="odd", contamination=share, scale="none")
    odd = split.train[:, 0] > 500
    assert odd.mean() == pytest.approx(share, abs=0.002)
    assert odd.sum() + len(split.anomalies) == 200 and leaked_anomalies(split) == 0
    assert (split.validation[:, 0] < 500).all() and (split.test[:, 0] < 500).all()
    assert 0 < np.flatnonzero(odd).mean() / len(odd) < 0.9  # they are among the others, not behind them
    assert split.train_labels[odd].tolist() == [2] * odd.sum()


def test_the_fingerprint_covers_anomalies_and_their_kinds():
    x, y = data()
    split = split_arrays(x, y, anomaly=["odd", "b"])
    moved = np.array(split.anomalies)
    moved[0, 0] += 1
    others = [replace(split, anomalies=moved), replace(split, anomaly_kinds=1 - split.anomaly_kinds),
              replace(split, anomalies=None, anomaly_kinds=None)]  # fmt: skip
    assert len({split.checksum(), *(other.checksum() for other in others)}) == 4


def test_a_leak_is_counted_and_named():
    x, y = data()
    odd = np.flatnonzero(y == "odd")
    split = split_arrays(np.concatenate([x, x[odd[:3]], x[odd[:1]]]), np.concatenate([y, ["a"] * 3, ["b"]]),
                         anomaly="odd", validation=0, test=1, scale="none")  # fmt: skip
    assert leaked_anomalies(split) == 3
    assert "WARNING: a leak: 3 of the test anomalies are training rows" in split.description


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"anomaly": "other"}, "unknown anomalous class 'other'"),
        ({"anomaly": ["a", "b", "odd"]}, "names every class"),
        ({"contamination": 0.1}, "there are no anomalies to leave in training"),
        ({"anomaly": "odd", "contamination": 0.6}, "contamination=0.6"),
        ({"anomaly": "odd", "contamination": 0.45}, "at least one must be left to test on"),
        ({"anomaly": "odd", "labels": None}, "the data have no labels"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(changes, message):
    x, y = data()
    settings = {"labels": y, **changes}
    with pytest.raises(UsageError, match=message) as raised:
        split_arrays(x, settings.pop("labels"), **settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"anomalies": np.zeros((0, 2), np.float32)}, "anomalies: no rows"),
        ({"anomalies": np.full((2, 2), np.nan, np.float32)}, "row 0, column 0 is nan"),
        ({"anomalies": np.zeros((2, 3), np.float32)}, "where train has"),
        ({"anomalies": np.zeros((2, 2), np.float32), "anomaly_kinds": np.zeros(3, int)}, "one whole number for each"),
        ({"anomaly_kinds": np.zeros(3, int)}, "and no anomalies"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_named(changes, message):
    rows = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    with pytest.raises(DataError, match=message):
        check_split(replace(Split(*rows), **changes), "mine")


def test_contamination_takes_others_with_another_seed_and_leaves_one():
    assert contaminate(100, 50, 0.1, 0).tolist() != contaminate(100, 50, 0.1, 1).tolist()
    assert len(contaminate(90, 11, 0.1, 0)) == 10
    with pytest.raises(DataError, match="at least one"):
        contaminate(90, 10, 0.1, 0)


def test_classes_may_be_numbers_texts_or_lists():
    names = ("7", "8", "a,b")
    assert named_classes(8, names) == named_classes("8", names) == named_classes([8], names) == [1]
    assert named_classes("8,7", names) == [0, 1] and named_classes("a,b", names) == [2]
