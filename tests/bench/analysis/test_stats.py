"""Statistics against scipy, analytic answers and simulation."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.analysis import stats


def test_t_interval_agrees_with_scipy_and_invents_nothing_for_one_seed():
    x = np.array([1.0, 2.5, 2.0, 4.0])
    interval = stats.mean_interval(x)
    assert (interval.low, interval.high) == pytest.approx(scipy_stats.t.interval(0.95, 3, x.mean(), scipy_stats.sem(x)))
    alone = stats.mean_interval([7.0])
    assert alone.mean == 7.0 and np.isnan([alone.low, alone.high, alone.sd]).all()
    assert stats.mean_interval([]).n == 0
    assert stats.mean_interval([1.0, np.nan, 3.0]).n == 2


@pytest.mark.parametrize("n", [2, 5, 10])
def test_t_intervals_cover_95_percent(n):
    """At n = 5 a z interval covers 88 %, so this test tells them apart. 20,000 repetitions: ± .5 % at 3 sigma."""
    x = np.random.default_rng(n).normal(3.0, 2.0, size=(20_000, n))
    half = stats.t_quantile(n) * x.std(1, ddof=1) / np.sqrt(n)
    covered = np.mean(np.abs(x.mean(1) - 3.0) <= half)
    assert covered == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("n", [1, 2, 10, 137])
def test_intervals_of_many_rows_are_those_of_each_row_to_the_bit(n):
    values = np.random.default_rng(n).normal(size=(7, n)) * 1e3
    values[2, 0] = values[4] = np.nan
    values[5] = 0.1
    together, alone = stats.mean_intervals(values), [stats.mean_interval(row) for row in values]
    assert np.array_equal(*(np.array([astuple(interval) for interval in x]) for x in (together, alone)), equal_nan=True)


def test_paired_tests_agree_with_scipy():
    rng = np.random.default_rng(0)
    common = rng.normal(size=10)
    base, new = common + 0.3 * rng.normal(size=10), common + 0.3 * rng.normal(size=10) + 0.5
    expected, interval = scipy_stats.ttest_rel(new, base), stats.mean_interval(new - base)
    assert stats.paired_p(new - base) == pytest.approx(expected.pvalue)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert stats.correlation(base, new) == pytest.approx(np.corrcoef(base, new)[0, 1])


def test_equal_differences_are_no_certainty():
    """All that three equal differences say is that they differ by a step: t = √(6n), never p = 0."""
    assert stats.paired_p(np.zeros(3)) == 1.0
    for n in (3, 10):
        expected = 2 * scipy_stats.t.sf((6 * n) ** 0.5, n - 1)
        assert stats.paired_p(np.full(n, 0.5)) == pytest.approx(expected)
        assert stats.paired_p(np.full(n, 0.5), 0.25) == pytest.approx(2 * scipy_stats.t.sf(2 * (6 * n) ** 0.5, n - 1))
    one, two = [np.full(3, 1.0)], [np.full(3, 2.0)]
    assert 0 < stats.paired_iqm_p(one, two, np.random.default_rng(0)) < 1


def test_the_step_of_rounded_values_is_found_and_real_numbers_have_none():
    rng = np.random.default_rng(0)
    shares = rng.integers(0, 50, size=30) / 50
    assert stats.lattice(shares) == pytest.approx(1 / 50)
    assert stats.lattice(rng.normal(size=6)) == 0.0
    assert stats.lattice(np.array([0.3, 0.3, np.nan])) == 0.0


def test_the_detectable_effect_is_what_seeds_to_separate_inverts():
    for n in (3, 5, 10, 40):
        effect = stats.detectable_effect(n, alpha=0.01)
        assert stats.seeds_to_separate(effect * 1.001, 1.0, alpha=0.01) == n
    assert stats.detectable_effect(1) == np.inf


def test_tests_that_were_not_carried_out_count_in_the_family():
    assert stats.holm([0.01, 0.02], more=3).tolist() == pytest.approx([0.05, 0.08])


def holm_slowly(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, running = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        running = max(running, (len(p) - rank) * p[index])
        adjusted[index] = min(1.0, running)
    return adjusted


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_its_definition_and_ignores_missing(p):
    assert stats.holm(p) == pytest.approx(holm_slowly(p))
    with_gap = stats.holm([p[0], np.nan, *p[1:]])
    assert np.isnan(with_gap[1])
    assert np.delete(with_gap, 1) == pytest.approx(holm_slowly(p))


def test_holm_keeps_the_family_wise_error():
    """27 true hypotheses: 75 % of families raise a false alarm untouched, at most 5 % under Holm."""
    p = np.random.default_rng(0).uniform(size=(2000, 27))
    assert np.mean(p.min(1) < 0.05) == pytest.approx(1 - 0.95**27, abs=0.04)
    alarms = np.mean([stats.holm(row).min() < 0.05 for row in p])
    assert alarms < 0.065


@pytest.mark.parametrize("effect", [0.15, 0.5, 1.0, 2.0])
def test_seeds_to_separate_has_the_power_it_promises(effect):
    n = stats.seeds_to_separate(effect, 1.0)
    rng = np.random.default_rng(1)

    def power(size):
        x = rng.normal(effect, 1.0, size=(20_000, size))
        t = x.mean(1) / (x.std(1, ddof=1) / np.sqrt(size))
        return np.mean(np.abs(t) > scipy_stats.t.ppf(0.975, size - 1))

    assert power(n) >= 0.79
    assert n == 2 or power(n - 1) <= 0.81


@pytest.mark.parametrize(
    ("difference", "sd", "n"), [(0.0, 1.0, None), (1.0, 0.0, 2), (np.nan, 1.0, None), (1e-9, 1.0, None)]
)
def test_seeds_to_separate_knows_when_it_cannot_say(difference, sd, n):
    assert stats.seeds_to_separate(difference, sd) == n


def test_interquartile_mean_drops_the_outer_quarters():
    assert stats.interquartile_mean([100.0, 1.0, 2.0, -50.0]) == 1.5
    assert np.isnan(stats.interquartile_mean([np.nan]))


def test_interquartile_mean_of_ten_by_hand():
    """A quarter of 10 is 2.5: two go on each side, as in rliable, and the mean is that of the six in the middle."""
    assert (
        stats.interquartile_mean([9.0, 0.0, 1000.0, 3.0, 4.0, -7.0, 5.0, 6.0, 8.0, 2.0]) == (2 + 3 + 4 + 5 + 6 + 8) / 6
    )
    assert stats.interquartile_mean(np.array([[1.0, np.nan], [2.0, 6.0]])) == 3.0


def test_stratified_bootstrap_covers_the_truth():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        scores = [rng.normal(centre, 0.1, size=10) for centre in (0.2, 0.5, 0.8)]
        interval = stats.stratified_bootstrap(scores, rng, draws=300)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.85 <= hits / 200 <= 1.0
    assert np.isnan(stats.stratified_bootstrap([np.array([0.3]), np.array([0.4])], rng).low)


def test_probability_of_improvement_on_known_cases():
    rng = np.random.default_rng(0)
    low, high = np.arange(5.0), np.arange(5.0) + 10
    assert stats.probability_of_improvement([low], [high], rng).mean == 1.0
    assert stats.probability_of_improvement([high], [low], rng).mean == 0.0
    assert stats.probability_of_improvement([low], [low], rng).mean == 0.5
    mixed = stats.probability_of_improvement([low, high], [high, low], rng)
    assert mixed.mean == 0.5 and mixed.low <= 0.5 <= mixed.high


def test_bootstrap_intervals_cover_the_interquartile_mean_of_planted_data_sets():
    """Skewed scores on three data sets; truth from 10^6 draws. Percentiles at n = 10 cover a little less than 95 %."""
    rng = np.random.default_rng(3)

    def draw(n):
        return [rng.normal(0.2, 0.1, n), 0.4 + 0.2 * rng.exponential(size=n), rng.normal(0.9, 0.3, n)]

    truth = stats.interquartile_mean(np.concatenate(draw(10**6)))
    hits = widths = 0
    for _ in range(300):
        interval = stats.stratified_bootstrap(draw(10), rng, draws=400)
        hits += interval.low <= truth <= interval.high
        widths += interval.high - interval.low
    assert 0.88 <= hits / 300 <= 0.98
    assert widths / 300 < 0.35  # it is no interval that covers by being wide


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_probability_of_improvement_of_shifted_normals(shift):
    """P(X + δ > Y) = Φ(δ/√2) for independent unit normals; intervals cover it."""
    rng = np.random.default_rng(1)
    truth = scipy_stats.norm.cdf(shift / np.sqrt(2))
    large = stats.probability_of_improvement([rng.normal(size=3000)], [rng.normal(shift, size=3000)], rng, draws=10)
    assert large.mean == pytest.approx(truth, abs=0.03)
    hits, means = 0, []
    for _ in range(200):
        base, new = ([rng.normal(at, 1.0, 10) for _ in range(3)] for at in (0.0, shift))
        found = stats.probability_of_improvement(base, new, rng, draws=300)
        hits += found.low <= truth <= found.high
        means.append(found.mean)
    assert np.mean(means) == pytest.approx(truth, abs=0.02)
    assert 0.87 <= hits / 200 <= 0.99


def test_probability_of_improvement_weighs_data_sets_alike_and_skips_what_is_missing():
    rng = np.random.default_rng(0)
    base = [np.zeros(2), np.zeros(20), np.array([np.nan])]
    new = [np.ones(2), -np.ones(20), np.array([1.0])]
    assert stats.probability_of_improvement(base, new, rng).mean == 0.5
    nothing = stats.probability_of_improvement([np.array([np.nan])], [np.ones(3)], rng)
    assert nothing.n == 0 and np.isnan(nothing.mean)
    alone = stats.probability_of_improvement([np.zeros(1)], [np.ones(1)], rng)
    assert alone.mean == 1.0 and np.isnan(alone.low)


def test_paired_p_of_interquartile_means_keeps_its_level_and_uses_the_pairing():
    rng = np.random.default_rng(2)
    alarms, paired, unpaired = 0, 0, 0
    for _ in range(300):
        common = [rng.normal(size=10) for _ in range(3)]
        a = [seed + 0.2 * rng.normal(size=10) for seed in common]
        b = [seed + 0.2 * rng.normal(size=10) for seed in common]
        better = [seed + 0.2 for seed in b]
        alarms += stats.paired_iqm_p(a, b, rng, draws=200) < 0.05
        paired += stats.paired_iqm_p(a, better, rng, draws=200) < 0.05
        unpaired += stats.paired_iqm_p(a, [seed[::-1] for seed in better], rng, draws=200) < 0.05
    assert 0.01 <= alarms / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
    assert paired > 2 * unpaired
    assert stats.paired_iqm_p([np.zeros(3)], [np.zeros(3)], rng) == 1.0
    assert np.isnan(stats.paired_iqm_p([np.zeros(1)], [np.ones(1)], rng))
