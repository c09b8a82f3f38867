"""Counts: taken as log(1 + count), because their spread grows with their size."""

from __future__ import annotations

import numpy as np

from bench.data.array_like import Names
from bench.errors import DataError

#: The word of `scale=` for it; what follows is standardised.
LOG1P = "log1p"


def log_counts(values: np.ndarray, names: Names) -> np.ndarray:
    """log(1 + values) as float64, of the same shape.

    Raises:
        DataError: the first negative value, with its place.
    """
    negative = values < 0
    if negative.any():
        row, *index = np.argwhere(negative)[0]
        raise DataError(
            f"{names.what}: the value at {names.place(int(row), index)} is negative ({values[(row, *index)]:g}), and "
            "scale=log1p is for counts; take another scale"
        )
    return np.log1p(np.asarray(values, dtype=np.float64))
