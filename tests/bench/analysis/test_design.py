"""Intervals over splits crossed with seeds: against simulated truth, a slow reference, and what one split gives."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from bench.analysis.design import Design, design_of, one_split
from bench.analysis.leads import lead_of
from bench.analysis.pairs import Column, Family
from bench.analysis.stats import mean_interval, paired_p, t_quantile

SPLITS, SEEDS = 5, 4


def crossed(splits=SPLITS, seeds=SEEDS, overlap=0.0):
    """Columns in order of split and seed."""
    return Design(np.tile(np.arange(seeds), splits), np.repeat(np.arange(splits), seeds), overlap)


def simulated(rng, of_splits, of_seeds, rest, splits=SPLITS, seeds=SEEDS):
    """y_ks of mean 0 with the given standard deviations, (S,)."""
    y = of_splits * rng.normal(size=(splits, 1)) + of_seeds * rng.normal(size=(1, seeds))
    return (y + rest * rng.normal(size=(splits, seeds))).ravel()


def share_covered(design, draw, runs=1500):
    """How often the interval of mean 0 holds 0."""
    intervals = [design.interval(draw()) for _ in range(runs)]
    return np.mean([interval.low <= 0 <= interval.high for interval in intervals])


def test_on_one_split_everything_is_as_over_seeds_alone():
    values = np.random.default_rng(0).normal(size=(3, 6))
    values[1, 2] = np.nan
    design = one_split(range(6))
    assert design.intervals(values) == [mean_interval(row) for row in values]
    assert design.interval(values[0]) == mean_interval(values[0])
    assert design.paired_p(values[1]) == paired_p(values[1][np.isfinite(values[1])])
    assert design.units(values) is values and (design.unit, design.widening) == ("seed", 1.0)
    assert design.count(np.isfinite(values[1])) == 5


@pytest.mark.parametrize(
    ("of_splits", "of_seeds", "rest"), [(1.0, 0.0, 0.3), (1.0, 1.0, 0.3), (0.0, 0.0, 1.0), (0.3, 1.0, 0.3)]
)
def test_intervals_hold_the_truth_whichever_variance_is_large(of_splits, of_seeds, rest):
    """Nominal 95 %, 3 sigma of 1,500 runs is 1.7 %; conservative is allowed, too narrow is not."""
    rng = np.random.default_rng(1)
    assert share_covered(crossed(), lambda: simulated(rng, of_splits, of_seeds, rest)) > 0.93


def test_values_that_share_a_split_are_not_independent():
    """The fault that the design is there for: taken as independent, the same values cover far too little."""
    rng = np.random.default_rng(2)
    naive = one_split(range(SPLITS * SEEDS))
    assert share_covered(naive, lambda: simulated(rng, 1.0, 0.0, 0.3)) < 0.75


def test_what_seeds_have_in_common_over_splits_counts():
    """Without the second term the spread of splits knows nothing of it: an sd of 1 over 4 seeds, .1 over splits."""
    y = np.tile([-1.0, 1.0, -1.0, 1.0], SPLITS) + np.repeat(0.1 * np.arange(SPLITS), SEEDS)
    found, alone = crossed().interval(y), mean_interval(0.1 * np.arange(SPLITS))
    assert found.half_width > 3 * alone.half_width
    assert found.n == SEEDS and alone.n == SPLITS


def test_common_rows_widen_as_their_correlation_says():
    """Splits' means with correlation ρ = n_test / (n_test + n_train): the correction covers, 1/K alone does not."""
    overlap = 0.5
    rho = overlap / (1 + overlap)
    rng = np.random.default_rng(3)

    def draw():
        means = rho**0.5 * rng.normal() + (1 - rho) ** 0.5 * rng.normal(size=SPLITS)
        return np.repeat(means, SEEDS)

    assert share_covered(crossed(overlap=overlap), draw) == pytest.approx(0.95, abs=0.02)
    assert share_covered(crossed(), draw) < 0.85


def test_the_variance_is_that_of_the_two_way_table():
    """Against mean squares by loops: (MS_split + MS_seed - MS_rest) / (K S), overlap on the first."""
    table = np.random.default_rng(4).normal(size=(SPLITS, SEEDS)) + 3 * np.random.default_rng(5).normal(size=(1, SEEDS))
    grand, rows, columns = table.mean(), table.mean(1), table.mean(0)
    of_splits = SEEDS * sum((row - grand) ** 2 for row in rows) / (SPLITS - 1)
    of_seeds = SPLITS * sum((column - grand) ** 2 for column in columns) / (SEEDS - 1)
    rest = sum(
        (table[k, s] - rows[k] - columns[s] + grand) ** 2 for k, s in itertools.product(range(SPLITS), range(SEEDS))
    ) / ((SPLITS - 1) * (SEEDS - 1))
    assert of_seeds > rest
    plain = (of_splits + of_seeds - rest) / (SPLITS * SEEDS)
    shared = plain + of_splits / SEEDS * 0.3
    for overlap, variance in ((0.0, plain), (0.3, shared)):
        found = crossed(overlap=overlap).interval(table.ravel())
        assert found.mean == pytest.approx(grand) and found.n == SEEDS
        assert found.half_width == pytest.approx(float(t_quantile(SEEDS)) * variance**0.5)
        assert found.sd == pytest.approx((variance * SEEDS) ** 0.5)


def test_missing_values_cost_their_cells_alone():
    y = simulated(np.random.default_rng(6), 1.0, 0.0, 0.1).reshape(SPLITS, SEEDS)
    y[0, 1:] = np.nan  # one seed is left of split 0
    y[4] = np.nan  # and nothing of split 4
    found = crossed().interval(y.ravel())
    assert found.mean == pytest.approx(np.mean([y[0, 0], *y[1:4].mean(1)]))
    assert found.n == 4
    one = np.where(np.arange(SPLITS)[:, None] == 2, y, np.nan)
    assert crossed().interval(one.ravel()).n == 1 and np.isnan(crossed().interval(one.ravel()).half_width)
    assert crossed().interval(np.full(SPLITS * SEEDS, np.nan)).n == 0


def test_units_and_spreads():
    y = np.array([[1.0, 3.0], [5.0, np.nan], [9.0, 11.0]])
    design = crossed(3, 2)
    assert design.units(y.ravel()).tolist() == [2.0, 5.0, 10.0]
    of_splits, of_seeds = design.spreads(y.ravel())
    assert of_splits == pytest.approx(np.std([2, 5, 10], ddof=1))
    assert of_seeds == pytest.approx(2**0.5)  # two pairs, one degree each
    assert design.count(np.isfinite(y.ravel())) == 3


def test_equal_values_are_the_same_and_p_is_one():
    zero = np.zeros(SPLITS * SEEDS)
    assert crossed().paired_p(zero) == 1.0
    assert crossed().interval(zero).sd == 0


def lead(values, design):
    return lead_of(values, True, np.ones(len(values), dtype=bool), design=design)


def test_a_lead_on_every_seed_of_one_split_alone_earns_no_star():
    """b leads by .3 on one split of five and nothing on the others; 20 values taken as independent call it sure."""
    rng = np.random.default_rng(7)
    gain = np.repeat([1.5, 0.3, 0.0, 0.4, 0.2], SEEDS) + 0.02 * rng.normal(size=SPLITS * SEEDS)
    base = rng.normal(size=SPLITS * SEEDS)
    values = np.stack([base, base + gain])
    assert lead(values, one_split(range(SPLITS * SEEDS))).marks == {1: "best"}
    found = lead(values, crossed())
    assert found.marks == {} and (found.seeds, found.unit, found.leader) == (SPLITS, "split", 1)
    assert found.more_seeds is None
    assert lead(np.stack([base, base + 0.5 + 0.1 * gain]), crossed(overlap=0.3)).marks == {1: "best"}


def test_two_splits_name_no_winner_however_many_seeds():
    base = np.random.default_rng(8).normal(size=20)
    found = lead(np.stack([base, base + 1 + 0.01 * np.arange(20)]), crossed(2, 10))
    assert found.seeds == 2 and found.marks == {}


def test_a_family_tests_what_its_intervals_show():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(3, SPLITS * SEEDS))
    design = crossed(overlap=0.3)
    column = Column(values, True, np.ones(3, dtype=bool), design=design)
    family = Family({"m": column})
    p = sorted(design.paired_p(values[a] - values[b]) for a, b in itertools.combinations(range(3), 2))
    assert family.size == 3
    found = sorted(family.p("m", a, b) for a, b in itertools.combinations(range(3), 2))
    assert found[0] == pytest.approx(min(1, 3 * p[0]))
    for a, b in itertools.combinations(range(3), 2):
        difference = column.difference(a, b)
        excludes = not difference.low <= 0 <= difference.high
        assert excludes == (design.paired_p(values[a] - values[b]) < 0.05)


def test_the_design_of_cells_is_read_from_them():
    sizes = '{"n_train": 200, "n_test": 50}'
    cells = pd.DataFrame({"seed": [1, 0, 1, 0], "split_number": [1, 0, 0, 1], "split": [sizes, "{}", sizes, sizes]})
    design = design_of(cells)
    assert design.splits.tolist() == [0, 0, 1, 1] and design.seeds.tolist() == [0, 1, 0, 1]
    assert design.overlap == 0.25 and design.widening == pytest.approx(1.5**0.5)
