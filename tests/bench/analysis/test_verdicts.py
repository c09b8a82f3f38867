"""The top of a report in words: each kind of lead says what the tests say, and no winner is ahead of itself."""

import numpy as np
import pytest
from synthetic import FakeCell, FakeSpec, measurement, record

from bench.analysis.verdicts import headline, verdicts
from bench.reports.model import load_report
from bench.store.run_store import RunStore

NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 10))


@pytest.fixture
def said(tmp_path):
    """Of test_mse (less is better) with the given means of a, b and c over ten seeds: its verdict."""

    def verdict(*means):
        (line,) = verdicts(section_of(tmp_path, means))
        return line

    return verdict


def section_of(tmp_path, means):
    with RunStore.create(tmp_path / "run", FakeSpec({"name": "planted", "seeds": list(range(10))})) as store:
        for label, mean, noise in zip("abc", means, NOISE, strict=False):
            for seed in range(10):
                metrics = {"test_mse": measurement(mean + noise[seed], False)}
                store.append(record(FakeCell(label, "data", seed), metrics))
    return load_report(tmp_path / "run").sections[0]


def test_a_shared_lead_names_the_best_mean_and_who_cannot_be_told_apart_from_it(said):
    line = said(1.0, 1.001, 2.0)
    best, other = ("a", "b") if NOISE[0].mean() < NOISE[1].mean() + 0.001 else ("b", "a")
    assert (line.level, line.winner, line.margin) == ("shared", f"{best} and {other}", "")
    assert line.certainty.startswith(f"{best} has the best mean, {other} cannot be told apart from it; ")
    assert f"would separate it from {other}" in line.certainty


def test_a_sure_lead_names_its_margin_over_the_next(said):
    line = said(1.0, 2.0, 3.0)
    assert (line.level, line.winner) == ("sure", "a")
    assert line.margin.endswith(" ahead of b") and line.certainty.startswith("ahead of all others")


def test_an_open_lead_has_no_winner_but_a_margin(said):
    line = said(1.0, 1.001, 1.002)
    assert (line.level, line.winner) == ("open", "no clear winner")
    assert " ahead of " in line.margin and "not beyond seed noise" in line.certainty


def test_a_single_variant_wins_nothing(tmp_path):
    section = section_of(tmp_path, [1.0])
    assert headline(section) == "a is the only variant here: there is nothing to compare it with."
    (line,) = verdicts(section)
    assert (line.level, line.winner, line.margin) == ("open", "no clear winner", "–")
    assert line.certainty == "there is nothing to compare a with"
