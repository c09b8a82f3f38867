"""Division of rows: disjoint, complete, as large as asked, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.splitting import LEAST_TRAIN, part_size, partition
from bench.errors import DataError, UsageError


@given(n=st.integers(1, 400), validation=st.floats(0, 0.99), test=st.floats(0, 0.99), seed=st.integers(0, 2**40))
def test_every_row_is_in_exactly_one_part(n, validation, test, seed):
    try:
        rows = partition(n, validation=validation, test=test, split_seed=seed)
    except DataError:
        assert n - part_size("test", test, n) - part_size("validation", validation, n) < LEAST_TRAIN
        return
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(n))
    assert len(rows.test) >= test * n - 1e-6 and len(rows.validation) >= validation * n - 1e-6


def test_sizes_of_the_default_division():
    rows = partition(1797)
    assert [len(part) for part in rows] == [1149, 288, 360]


def test_fractions_are_rounded_up_without_binary_dust():
    assert part_size("test", 0.07, 100) == 7
    assert part_size("test", 0.001, 100) == 1
    assert part_size("test", 0, 100) == 0
    assert part_size("test", 30.0, 100) == 30
    assert part_size("test", 1, 100) == 1


@pytest.mark.parametrize("name", ["validation", "test"])
@pytest.mark.parametrize("one", [1.0, np.float64(1)])
def test_a_share_of_one_is_not_taken_for_one_row(name, one):
    with pytest.raises(UsageError, match=f"^{name}=1.0 may be one row or all; give a fraction below 1 or a whole "):
        partition(100, **{name: one})


def test_seeds_shuffle():
    first, again, other = (partition(1000, split_seed=seed).train for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, np.sort(first))


@pytest.mark.parametrize("size", [-0.1, 2.5, float("nan"), float("inf"), "0.2", True, None])
def test_senseless_sizes_are_refused(size):
    with pytest.raises(UsageError, match="test="):
        partition(100, test=size)


@pytest.mark.parametrize("seed", [-1, 1.0, "0", None])
def test_senseless_seeds_are_refused(seed):
    with pytest.raises(UsageError, match="split_seed"):
        partition(100, split_seed=seed)


def test_too_few_rows_are_counted_in_the_message():
    with pytest.raises(DataError, match="of 10, 2 go to validation and 9 to test, which leaves 0"):
        partition(10, test=9)
