"""Differences count on the scale that a metric declares, or that its range suggests."""

from dataclasses import asdict

import numpy as np
import pytest

from bench.analysis.scales import DEFAULT_EFFECTS, NATS, Scale, scale_of
from bench.contracts.metric import Value


@pytest.mark.parametrize(
    ("value", "kind", "smallest"),
    [
        (Value("m", "", False, range="[0, inf)"), "log", DEFAULT_EFFECTS["log"]),
        (Value("m", "", False, range="[1, 16]"), "excess over 1", DEFAULT_EFFECTS["excess over 1"]),
        (Value("m", "", True, range="[0, 1]"), "linear", DEFAULT_EFFECTS["linear"]),
        (Value("m", "", False, unit="nats"), "linear", NATS),
        (Value("m", "", None, range="[0, inf)"), "linear", DEFAULT_EFFECTS["linear"]),
        (Value("m", "", True, range="[0, 1]", scale="log", smallest_effect=0.2), "log", 0.2),
    ],
)
def test_what_is_not_declared_follows_from_range_and_unit(value, kind, smallest):
    assert scale_of(asdict(value)) == Scale(kind, smallest)


def test_ratios_are_differences_of_logarithms_and_shares_go_back():
    placed = Scale("log", 0.01).place(np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert placed.table[1] - placed.table[0] == pytest.approx(np.log([2, 2]))
    assert placed.margin == pytest.approx(np.log(1.01))
    assert Scale("log").share(np.log(2), 123.0, placed.ratios) == pytest.approx(1.0)


def test_an_excess_counts_from_one_and_none_is_no_infinite_ratio():
    placed = Scale("excess over 1", 0.05).place(np.array([1.01, 1.02, 1.0, 1 + 1e-9]))
    assert placed.table[1] - placed.table[0] == pytest.approx(np.log(2))
    assert placed.table[2] == placed.table[3]


def test_values_that_have_no_ratio_are_compared_by_difference():
    placed = Scale("log", 0.01).place(np.array([-2.0, 0.0, 2.0, 4.0]))
    assert not placed.ratios and placed.margin == pytest.approx(0.02)
    assert Scale("log").share(0.5, 2.0, placed.ratios) == 0.25
