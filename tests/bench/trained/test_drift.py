"""Drift of columns: planted differences are seen, rows of the same source are not, and numbers are scipy's."""

import numpy as np
import pytest
from scipy import stats

from bench.trained.drift import drift

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(500, 3))
NAMES = ("a", "b", "c")


def found(train, new, names=NAMES, groups=None, constant=None):
    ranges = train.min(0), train.max(0)
    return {one.name: one for one in drift(train, new, names, ranges, groups or {}, constant or {})}


def test_a_shifted_column_is_seen_with_its_size_and_the_others_are_not():
    new = RNG.normal(size=(200, 3)) + np.array([0, 1.0, 0])
    columns = found(TRAIN, new)
    assert [name for name, one in columns.items() if one.drifted] == ["b"]
    wanted = (new[:, 1].mean() - TRAIN[:, 1].mean()) / TRAIN[:, 1].std(ddof=1)
    assert columns["b"].difference == pytest.approx(wanted) and 0.8 < wanted < 1.2
    raw = stats.ks_2samp(TRAIN[:, 1], new[:, 1]).pvalue
    assert columns["b"].p == pytest.approx(3 * raw)  # the least of three
    assert columns["b"].outside == int((new[:, 1] > TRAIN[:, 1].max()).sum()) > 0


def test_a_change_of_spread_without_one_of_the_mean_is_seen():
    columns = found(TRAIN, RNG.normal(size=(400, 3)) * np.array([1, 1, 3]))
    assert columns["c"].drifted and abs(columns["c"].difference) < 0.5 and not columns["a"].drifted


def test_rows_of_the_same_source_are_rarely_said_to_drift():
    """At most 5 % of families have any false alarm; 60 families leave room for chance up to 10 %."""
    rng = np.random.default_rng(1)
    alarms = sum(
        any(one.drifted for one in found(rng.normal(size=(80, 3)), rng.normal(size=(40, 3))).values())
        for _ in range(60)
    )
    assert alarms <= 6


def one_hot(kinds, n):
    return np.eye(n + 1)[kinds][:, :n]


def test_kinds_are_one_column_and_unknown_ones_count():
    old, new = RNG.integers(0, 2, 300), np.repeat([0, 1, 2], [80, 10, 10])  # 2 is no kind of training
    train, rows = (np.hstack([RNG.normal(size=(len(k), 1)), one_hot(k, 2)]) for k in (old, new))
    columns = found(train, rows, ("x", "k=a", "k=b"), {"k": [1, 2]})
    assert [*columns] == ["x", "k"] and columns["k"].kind == "kinds"
    share = (new == 1).mean() - (old == 1).mean()
    assert columns["k"].difference == pytest.approx(share) and columns["k"].outside == 10 and columns["k"].drifted
    counts = [np.bincount(k, minlength=3) for k in (old, new)]
    raw = stats.chi2_contingency(counts, correction=False).pvalue
    assert columns["k"].p == pytest.approx(min(2 * raw, 1)) and not columns["x"].drifted


def test_a_constant_that_is_none_any_more_drifts_and_one_row_is_enough_to_say():
    new = np.array([[0.0, 7.0, 0.0]])
    columns = found(TRAIN, new, constant={1: 7.0})
    assert not columns["b"].drifted and columns["b"].outside == 0
    assert found(TRAIN, new, constant={1: 7.5})["b"].drifted and np.isnan(columns["b"].p)
