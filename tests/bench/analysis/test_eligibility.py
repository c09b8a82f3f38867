"""Collapse is what is established over seeds: the interval decides, not the mean."""

import numpy as np
import pytest

from bench.analysis.eligibility import beyond, collapse_reason, is_baseline, of_prior, prior_collapse_reason

LOW = np.array([0.48, 0.49, 0.47, 0.50, 0.48])
EDGE = np.array([0.49, 0.49, 0.49, 0.53, 0.55])


def test_a_bound_is_passed_by_the_whole_interval_or_by_the_only_seed():
    assert beyond(LOW, 0.5, above=False) and not beyond(EDGE, 0.5, above=False)
    assert not beyond(LOW, 0.5, above=True)
    assert beyond(np.array([0.4]), 0.5, above=False) and not beyond(np.array([0.5]), 0.5, above=False)
    assert not beyond(np.array([]), 0.5, above=True) and not beyond(np.array([np.nan]), 0.5, above=True)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"diversity_fit": LOW, "test_fvu": 0.4 * LOW}, "48% of the data's variance"),
        ({"diversity_fit": EDGE}, None),
        ({"test_fvu": 1.1 - LOW}, "of the data's variance unexplained"),
        ({"test_fvu": 1 - EDGE}, None),
        ({"diversity_prior": 0.5 * LOW}, None),
        ({}, None),
        ({"collapsed": np.ones(5)}, "collapsed: why"),
        ({"collapsed": np.array([1.0] * 9 + [0.0])}, "collapsed in 9 of 10 seeds: why"),
        ({"collapsed": np.array([1.0, 1, 1, 0, 0])}, None),
        ({"collapsed": np.zeros(5), "diversity_fit": LOW}, None),  # the evaluation's own flag decides
    ],
)
def test_collapse_is_named_with_its_number(values, reason):
    found = collapse_reason(values, "collapsed: why")
    assert found is None if reason is None else reason in found


def test_the_prior_is_judged_apart():
    assert "diversity_prior 0.24" in prior_collapse_reason({"diversity_prior": 0.5 * LOW})
    assert of_prior("coverage_prior") and of_prior("energy_prior_features") and not of_prior("priority_of_x")


def test_a_plain_model_is_told_from_a_control_and_from_a_variant_of_its_name():
    assert all(map(is_baseline, ("control:pca", "control:gaussian-mixture", "control:lof")))
    assert not any(map(is_baseline, ("control:real", "control:constant", "ppca", "ae")))
