"""Best of n: the closed form against every way of trying n settings; an order, missing numbers and words by hand."""

import itertools

import numpy as np
import pytest

from bench.analysis.best_of import best_of, expected_of_chosen


@pytest.mark.parametrize("seed", range(4))
def test_the_expectation_is_the_mean_over_every_choice_of_settings(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=6)  # in validation's order, which test values need not follow
    found = expected_of_chosen(values.tolist())
    for n in range(1, 7):
        chosen = [values[min(tried)] for tried in itertools.combinations(range(6), n)]
        assert found[n - 1] == pytest.approx(np.mean(chosen))


def test_validation_orders_and_settings_without_a_number_are_not_tried():
    validation, test = np.array([0.2, np.nan, 0.1, 0.3]), np.array([5.0, 0.0, 7.0, 9.0])
    assert best_of(validation, False, {"test_mse": test}).endswith(
        "expected on test: test_mse 7.000 (1), 6.333 (2), 7.000 (all 3)."
    )  # pairs: 7, 7 and 5
    assert best_of(validation, True, {"test_mse": test}).endswith("test_mse 7.000 (1), 7.667 (2), 9.000 (all 3).")
    assert best_of(np.array([1.0, np.nan]), True, {"a": np.array([1.0, 2.0])}) == ""
    two = best_of(np.array([1.0, 2.0]), True, {"a": np.array([1.0, 2.0]), "b": np.array([np.nan, 2.0])})
    assert two.endswith("on test: a 1.500 (1), 2.000 (all 2).")
