"""What trying more settings buys: the expected test value of the setting that validation chooses among n tried ones.

Settings are tried at random, each at most once, and the one that validation data like best is taken (Dodge et al. 2019,
arXiv 1909.03004, there with replacement). So luck and effort are told apart: a variant that needs its whole grid to be
good is not as good as one whose first setting is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np

from bench.analysis.numbers import number

#: Numbers of tries that a sentence gives, beside all.
_TRIES = (1, 2, 3, 5, 10, 20, 50, 100)


def expected_of_chosen(values: Sequence[float]) -> list[float]:
    """Expected value of the first in order among n of K at random, for n = 1, …, K.

    Args:
        values: (K,) test values, in the order in which validation prefers their settings, the best first.

    >>> expected_of_chosen([1.0, 3.0])
    [2.0, 1.0]
    """
    most = len(values)
    return [
        sum(comb(most - 1 - rank, n - 1) * value for rank, value in enumerate(values)) / comb(most, n)
        for n in range(1, most + 1)
    ]


def best_of(validation: np.ndarray, higher_is_better: bool, tests: Mapping[str, np.ndarray]) -> str:
    """What becomes of test values as more settings are tried, in words; "" where fewer than two can be compared.

    Args:
        validation: (K,) the criterion of each setting; one without a number is never tried.
        tests: metric → (K,) its test value of each setting.
    """
    said = []
    for name, values in tests.items():
        there = np.flatnonzero(np.isfinite(validation) & np.isfinite(values))
        if len(there) < 2:
            continue
        order = there[np.argsort(-validation[there] if higher_is_better else validation[there], kind="stable")]
        found = expected_of_chosen(values[order].tolist())
        tries = [n for n in _TRIES if n < len(found)]
        shown = [f"{number(found[n - 1], 4)} ({n})" for n in tries] + [f"{number(found[-1], 4)} (all {len(found)})"]
        said.append(f"{name} {', '.join(shown)}")
    if not said:
        return ""
    return f"Best of n settings tried at random and chosen on validation, expected on test: {'; '.join(said)}."
