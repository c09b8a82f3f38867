"""Ranks and their intervals on planted frames whose right ones are known; nobody is ranked by what it survived."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.improvement import improvement
from bench.analysis.leaderboard import board, board_over
from bench.analysis.purposes import PURPOSES
from bench.reports.model import sections_of
from bench.reports.of_table import known_metrics
from bench.store.frames import run_data
from bench.store.run_store import RunStore

RECONSTRUCTION = PURPOSES[0]


def sections(tmp_path, tables):
    """Sections of test_mse; `tables`: data set → variant → values by seed (None: none)."""
    rows = [
        {"variant": variant, "dataset": data, "seed": seed, "metric": "test_mse", "value": value}
        for data, table in tables.items() for variant, values in table.items() for seed, value in enumerate(values)
        if value is not None
    ]  # fmt: skip
    return sections_of(RunStore.holding(tmp_path, {"name": "t"}, run_data(pd.DataFrame(rows), known_metrics())))


def spread(mean, seeds=10, noise=0.01, key=0):
    return list(mean * (1 + noise * np.random.default_rng(key).normal(size=seeds)))


def ranks(found):
    return {entry.label: entry.ranks["reconstruction"] for entry in found.entries}


def test_variants_far_apart_have_their_own_ranks_beyond_doubt(tmp_path):
    table = {name: spread(level, key=level) for name, level in (("third", 3), ("first", 1), ("second", 2))}
    (section,) = sections(tmp_path, {"d": table})
    found = board(section)
    assert found.labels == ["first", "second", "third"]
    assert [(r.rank, r.low, r.high, r.leads) for r in ranks(found).values()] == [
        (1, 1, 1, True), (2, 2, 2, False), (3, 3, 3, False)]  # fmt: skip


def test_equal_variants_share_their_ranks_and_the_lead(tmp_path):
    values = spread(1.0)
    table = {"a": values, "b": values[::-1], "same": values, "far": spread(5.0, key=1)}
    (section,) = sections(tmp_path, {"d": table})
    found = ranks(board(section))
    assert (found["a"].rank, found["same"].rank) == (found["same"].rank, found["a"].rank)
    assert {name for name, rank in found.items() if rank.leads} == {"a", "b", "same"}
    assert (found["b"].low, found["b"].high) == (1, 3) and found["a"].low == found["same"].low == 1.5
    assert (found["far"].low, found["far"].high, found["far"].leads) == (4, 4, False)


def test_an_interval_is_as_wide_as_the_t_statistic_says(tmp_path):
    """Two variants whose difference is z standard errors: the worse one leads in a share Φ(-z) of the draws."""
    noise = np.random.default_rng(3).normal(size=400)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    for z, low in ((1.7, 1), (2.3, 2)):  # Φ(-1.7) = .045 is within the interval's .025 and Φ(-2.3) = .011 is not
        table = {"a": [5.0] * 400, "b": list(5 * np.exp(0.02 * (noise + z / 20)))}
        (section,) = sections(tmp_path / str(z), {"d": table})
        assert ranks(board(section))["b"].low == low


def test_one_seed_has_ranks_without_intervals_and_tells_nobody_apart(tmp_path):
    (section,) = sections(tmp_path, {"d": {"a": [1.0], "b": [2.0], "c": [3.0]}})
    found = board(section)
    assert found.labels == ["a", "b", "c"] and all(np.isnan(r.low) for r in ranks(found).values())
    assert [r.text for r in ranks(found).values()] == ["1", "2", "3"] and all(r.leads for r in ranks(found).values())


def test_over_data_sets_ranks_are_averaged_and_seeds_decide(tmp_path):
    tables = {
        "x": {"good": spread(1, key=1), "mixed": spread(2, key=2), "poor": spread(3, key=3)},
        "y": {"good": spread(1, key=4), "mixed": spread(3, key=5), "poor": spread(2, key=6)},
    }
    found = board_over(sections(tmp_path, tables))
    assert {name: (r.rank, r.low, r.high, r.leads) for name, r in ranks(found).items()} == {
        "good": (1, 1, 1, True), "mixed": (2.5, 2.5, 2.5, False), "poor": (2.5, 2.5, 2.5, False)}  # fmt: skip
    assert board_over(sections(tmp_path, {"x": tables["x"]})) is None


def test_who_has_no_result_on_a_data_set_has_no_rank_over_them_and_moves_nobody(tmp_path):
    tables = {
        "x": {"easy": spread(0.1), "a": spread(1), "b": spread(2, key=1)},
        "y": {"a": spread(1, key=2), "b": spread(2, key=3)},
    }
    found = board_over(sections(tmp_path, tables))
    assert {name: r.rank for name, r in ranks(found).items()} == {"a": 1, "b": 2}
    assert found.unranked == {"easy": "not run on y"}


def test_where_nothing_differs_hardly_anybody_is_left_out_of_the_lead(tmp_path):
    wrong = 0
    for trial in range(5):
        rng = np.random.default_rng(trial)
        tables = {d: {v: list(1 + 0.1 * rng.normal(size=8)) for v in "abcde"} for d in "xy"}
        found = ranks(board_over(sections(tmp_path / str(trial), tables)))
        wrong += not all(rank.leads for rank in found.values())
    assert wrong <= 1


def test_probabilities_of_improvement_are_those_of_a_double_loop(tmp_path):
    rng = np.random.default_rng(0)
    tables = {d: {v: list(rng.integers(1, 6, size=5) / 1.0) for v in "abc"} for d in "xy"}
    tables["x"]["b"][2] = None
    found = improvement(sections(tmp_path, tables), RECONSTRUCTION, "abc")
    for i, one in enumerate("abc"):
        for j, other in enumerate("abc"):
            wins = [
                np.mean([(x < y) + 0.5 * (x == y) for x in t[one] if x is not None for y in t[other] if y is not None])
                for t in tables.values()
            ]
            assert np.isnan(found[i, j]) if i == j else found[i, j] == pytest.approx(np.mean(wins))
