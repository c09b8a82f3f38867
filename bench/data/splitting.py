"""Seeded division of N rows into train, validation and test: disjoint, complete, the same for the same seed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bench.contracts.checks import whole_number
from bench.errors import TooFewRows, UsageError

#: Default shares of rows: 64 % train, 16 % validation, 20 % test.
VALIDATION = 0.16
TEST = 0.2
#: Fewer training rows than this have no variance to learn from.
LEAST_TRAIN = 2


class Rows(NamedTuple):
    """Row numbers of each part, int64 arrays in shuffled order; a smaller training set is a prefix of a larger one."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def part_size(name: str, size: Any, n: int) -> int:
    """Number of rows that `size` asks of `n`: a fraction in (0, 1) is rounded up, a whole number is a count.

    Raises:
        UsageError: `size` is neither, is negative, or is the float 1.0, which may be one row or all.

    >>> part_size("test", 0.2, n=99), part_size("test", 7, n=99)
    (20, 7)
    """
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 <= size < math.inf:
        raise UsageError(f"{name}={size!r}: give a fraction below 1 or a whole number of rows")
    if size == 1 and isinstance(size, float):  # all rows, or one that a float parameter made 1.0
        raise UsageError(
            f"{name}=1.0 may be one row or all; give a fraction below 1 or a whole number of rows from 2 on"
        )
    if size < 1:
        return math.ceil(size * n - 1e-9)  # the offset undoes rounding, as in 0.07 * 100 = 7.000000000000001
    if size != int(size):
        raise UsageError(f"{name}={size!r}: give a fraction below 1 or a whole number of rows")
    return int(size)


def partition(n: int, *, validation: float = VALIDATION, test: float = TEST, split_seed: int = 0) -> Rows:
    """Shuffle rows 0 … n-1 by `split_seed` and divide them.

    Args:
        n: number of rows.
        validation, test: fraction below 1 (rounded up) or number of rows; 0 leaves the part empty.
        split_seed: whole number of at least 0.

    Raises:
        UsageError: a size or the seed makes no sense.
        TooFewRows: fewer than `LEAST_TRAIN` rows are left for training.

    >>> [len(part) for part in partition(100)]
    [64, 16, 20]
    >>> sorted(np.concatenate(partition(100))) == list(range(100))
    True
    """
    whole_number("split_seed", split_seed, 0)
    n_test, n_validation = part_size("test", test, n), part_size("validation", validation, n)
    n_train = n - n_test - n_validation
    if n_train < LEAST_TRAIN:
        raise TooFewRows(
            f"too few rows: of {n}, {n_validation} go to validation and {n_test} to test, which leaves "
            f"{max(n_train, 0)} for training where {LEAST_TRAIN} are needed; add rows or lower validation= or test="
        )
    order = np.random.default_rng(split_seed).permutation(n)
    return Rows(order[n_test + n_validation :], order[n_test : n_test + n_validation], order[:n_test])
