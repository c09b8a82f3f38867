"""Every way in which a plugin can break the contract of a `Split`, planted one at a time."""

from dataclasses import replace

import numpy as np
import pytest

from bench.contracts.dataset import Split
from bench.contracts.rows import LazyRows
from bench.data.check_split import check_split
from bench.errors import DataError

ROWS = np.random.default_rng(0).random((12, 3), dtype=np.float32)
CODES = np.arange(12) % 2
GOOD = Split(
    *(ROWS[:6], ROWS[6:8], ROWS[8:]),
    *(CODES[:6], CODES[6:8], CODES[8:]),
    ("a", "b"),
    *(ROWS[:6, :1], ROWS[6:8, :1], ROWS[8:, :1]),
    factor_names=("f",),
    likelihoods=("squared", "bernoulli"),
)


def with_value(value):
    rows = ROWS[:6].copy()
    rows[4, 1] = value
    return rows


def test_what_keeps_the_contract_is_returned():
    assert check_split(GOOD, "x") is GOOD
    lazy = replace(GOOD, train=LazyRows(ROWS, np.arange(6)), validation=ROWS[:0], validation_labels=CODES[:0],
                   validation_factors=ROWS[:0, :1])  # fmt: skip
    assert check_split(lazy, "x") is lazy
    assert check_split(replace(GOOD, shift=ROWS[0], scale=2.0), "x")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train": ROWS[:0]}, "the train part has no rows"),
        ({"test": ROWS[:0]}, "the test part has no rows"),
        ({"train": ROWS[:6].tolist()}, "train: a list"),
        ({"train": None}, "train: a NoneType"),
        ({"train": ROWS[:6].astype(np.float64)}, "train: values of type float64; expected float32"),
        ({"train": ROWS[:6, 0]}, r"train: shape \(6,\)"),
        ({"train": ROWS[:6, :, None, None, None]}, r"train: shape \(6, 3, 1, 1, 1\)"),
        ({"test": ROWS[8:, :2]}, r"test: rows of shape \(2,\) where train has \(3,\)"),
        ({"train": with_value(np.nan)}, "train: row 4, column 1 is nan"),
        ({"train": with_value(np.inf)}, "train: row 4, column 1 is inf"),
        ({"train": with_value(1.01)}, "outside"),
        ({"train": with_value(-0.01)}, "outside"),
        ({"likelihoods": ()}, "likelihoods"),
        ({"likelihoods": ("squared", "poisson")}, "likelihoods .*poisson"),
        ({"binarise": "static"}, "binarise='static'"),
        ({"binarise": "dynamic", "likelihoods": ("squared",)}, "binarise='dynamic' does not go with squared"),
        ({"scale": 0.0}, "scale must be finite"),
        ({"scale": np.inf}, "scale must be finite"),
        ({"scale": np.nan}, "scale must be finite"),
        ({"shift": np.inf}, "shift must be finite"),
        ({"scale": np.ones(4)}, "scale must be finite"),
        ({"shift": np.nan}, "shift must be finite"),
        ({"shift": np.ones((12, 3))}, "shift must be finite"),
        ({"shift": "none"}, "shift must be finite"),
        ({"test_labels": None}, "labels for some parts but not for test"),
        ({"train_labels": CODES[:5]}, r"train: labels of shape \(5,\)"),
        ({"train_labels": CODES[:6] / 2}, "type float64"),
        ({"train_labels": CODES[:6] + 1}, "labels from 1 to 2 lack a name"),
        ({"train_labels": CODES[:6] - 1}, "labels from -1 to 0 lack a name"),
        ({"train_factors": None}, "factors for some parts but not for train"),
        ({"factor_names": ("f", "g")}, r"expected finite numbers of shape \(6, 2\)"),
        ({"factor_names": None}, r"of shape \(6, 0\)"),
        ({"nominal_factors": ("g",)}, r"nominal_factors names 'g'"),
        ({"manifold": np.zeros((3, 9), np.float32)}, r"manifold: rows of shape \(9,\)"),
        ({"train_factors": with_value(np.nan)[:, 1:2]}, "expected finite numbers"),
    ],
    ids=str,
)
def test_each_planted_fault_is_named(changes, message):
    with pytest.raises(DataError, match="data set x.*" + message):
        check_split(replace(GOOD, **changes), "x")


@pytest.mark.parametrize("returned", [None, ROWS, (ROWS, ROWS, ROWS)])
def test_anything_but_a_split_is_refused(returned):
    with pytest.raises(DataError, match=f"returned a {type(returned).__name__}; return a Split"):
        check_split(returned, "x")


def test_the_checksum_sees_every_change_and_nothing_else():
    sums = {GOOD.checksum()}
    for changes in (
        {"train": with_value(0.5)},
        {"test": ROWS[8:, ::-1]},
        {"train_labels": 1 - CODES[:6]},
        {"test_factors": ROWS[8:, 1:2]},
        {"train": ROWS[:8], "validation": ROWS[8:], "test": ROWS[:0]},
    ):
        sums.add(replace(GOOD, **changes).checksum())
    assert len(sums) == 6
    assert replace(GOOD, train=np.asfortranarray(ROWS[:6])).checksum() == GOOD.checksum()
    assert replace(GOOD, train=LazyRows(ROWS, np.arange(6))).checksum() == GOOD.checksum()
