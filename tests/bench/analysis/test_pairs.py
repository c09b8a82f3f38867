"""The whole marking path on simulated reports: false marks stay rare over the family, planted differences are found."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from bench.analysis.design import Design
from bench.analysis.leads import differences, lead_in
from bench.analysis.pairs import Column, Family, side
from bench.analysis.scales import Scale
from bench.analysis.stats import mean_interval

VARIANTS = 5
LOG, EXCESS, SHARE = Scale("log", 0.01), Scale("excess over 1", 0.05), Scale("linear", 0.005)


def report(rng, seeds, shift=0.0):
    """Four columns of different kinds; variant 0 is `shift` seed-sd better than the others, in all of them."""
    common = rng.normal(size=(1, seeds))
    z = (rng.normal(size=(4, VARIANTS, seeds)) + common) / 2**0.5
    z[:, 0] -= shift
    return {
        "error": (0.012 * np.exp(0.05 * z[0]), False, LOG),
        "uneven": (1 + 0.02 * np.exp(0.3 * z[1]), False, EXCESS),
        "share": (np.round(50 * (0.7 - 0.05 * z[2])) / 50, True, SHARE),  # of fifty rows
        "heavy": (10 + z[3] * np.abs(rng.standard_t(4, size=z[3].shape)), False, SHARE),
    }


def marked(table):
    """Marks by column and verdicts against the baseline 1, as a report makes them."""
    everyone = np.ones(VARIANTS, dtype=bool)
    columns = {name: Column(values, higher, everyone, scale) for name, (values, higher, scale) in table.items()}
    family = Family(columns, 1, [0, 2, 3, 4])
    marks = {name: lead_in(name, column, family).marks for name, column in columns.items()}
    said = differences(columns, family, 1, [0, 2, 3, 4])
    return marks, {(row, d.metric): d.verdict for row, found in said.items() for d in found}


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_without_a_difference_a_whole_report_shows_a_mark_at_most_one_time_in_twenty(seeds):
    """Any mark in any column, and any "better" or "worse": 5 % + 3 sigma over 300 reports."""
    rng = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(300):
        marks, said = marked(report(rng, seeds))
        alarms += any(marks.values()) or bool({"better", "worse", "differs"} & set(said.values()))
    assert alarms / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_planted_differences_are_marked():
    rng = np.random.default_rng(0)
    found = [marked(report(rng, 10, shift=6.0)) for _ in range(60)]
    for name in ("error", "uneven", "share"):
        assert np.mean([marks[name] == {0: "best"} for marks, _ in found]) > 0.95
        assert np.mean([said[0, name] == "better" for _, said in found]) > 0.95


def test_two_equal_differences_of_a_coarse_metric_are_no_star():
    """Two seeds, shares of fifty rows: without a floor equal non-zero differences have p = 0."""
    rng = np.random.default_rng(1)
    stars = 0
    for _ in range(300):
        values = rng.binomial(50, 0.7, size=(2, 2)) / 50
        column = Column(values, True, np.ones(2, dtype=bool), SHARE)
        stars += bool(lead_in("", column, Family({"": column})).marks)
    assert stars == 0
    three = Column(np.array([[0.72, 0.74, 0.70], [0.70, 0.72, 0.68]]), True, np.ones(2, dtype=bool), SHARE)
    assert lead_in("", three, Family({"": three})).marks == {}


def test_a_pair_is_the_same_apart_or_open_by_its_interval_and_the_smallest_effect():
    tight = np.array([0.9, 1.0, 1.1, 1.0])
    assert side(mean_interval(tight), 0.001, margin=0.5) == "apart"
    assert side(mean_interval(tight), 0.2, margin=0.5) == "open"
    assert side(mean_interval(tight), 0.001, margin=1.05) == "open"  # not shown to be small, not measured to be large
    assert side(mean_interval(tight), 0.001, margin=1.5) == "same"
    assert side(mean_interval(tight[:2]), 0.001, margin=0.5) == "open"
    assert side(mean_interval(np.zeros(2)), np.nan, margin=0.0) == "same"


def test_equal_rows_are_no_tests_and_do_not_weigh_on_the_others():
    rng = np.random.default_rng(0)
    values = np.vstack([rng.normal(size=(1, 10)), rng.normal(size=(1, 10)) + 3])
    alone = Family({"m": Column(values, True, np.ones(2, dtype=bool))})
    doubled = np.vstack([values, values[1:]])
    beside = Family({"m": Column(doubled, True, np.ones(3, dtype=bool))})
    assert (alone.size, beside.size) == (1, 2)
    assert beside.p("m", 1, 2) != beside.p("m", 1, 2)  # NaN: never tested
    assert beside.p("m", 0, 1) == pytest.approx(2 * alone.p("m", 0, 1))


def test_a_permutation_of_variants_permutes_the_marks():
    values, higher, scale = report(np.random.default_rng(5), 10, shift=6.0)["error"]
    order = np.array([3, 0, 4, 2, 1])
    column = Column(values[order], higher, np.ones(VARIANTS, dtype=bool), scale)
    assert lead_in("", column, Family({"": column})).marks == {1: "best"}


def test_more_rows_than_all_pairs_allow_keep_the_level_and_find_the_leader():
    rng = np.random.default_rng(2)
    everyone = np.ones(60, dtype=bool)
    false = [
        bool(lead_in("", column, Family({"": column})).marks)
        for column in (Column(rng.normal(size=(60, 10)), True, everyone) for _ in range(100))
    ]
    assert np.mean(false) <= 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5
    values = rng.normal(size=(60, 10))
    values[7] += 20
    column = Column(values, True, everyone)
    assert lead_in("", column, Family({"": column})).marks == {7: "best"}


@pytest.mark.parametrize("crossed", [False, True])
def test_differences_of_many_rows_are_those_of_each_to_the_same_bits(crossed):
    values = np.exp(np.random.default_rng(0).normal(size=(7, 12)))
    values[3, 2:], values[4, 5], values[5] = np.nan, np.nan, values[0]
    design = Design(np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4), 0.3) if crossed else None
    column, rows = Column(values, False, np.ones(7, bool), LOG, design), [1, 3, 4, 5, 6]
    for many, single in ((column.differences, column.difference), (column.raw_differences, column.raw_difference)):
        np.testing.assert_equal([astuple(one) for one in many(0, rows)], [astuple(single(0, row)) for row in rows])
        np.testing.assert_equal([astuple(one) for one in many(rows, 0)], [astuple(single(row, 0)) for row in rows])
    assert column.differences([], 0) == []
