"""Scaling of raw data, fitted on training rows only: (raw - shift) / scale, computed in blocks of bounded size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.contracts.checks import one_of
from bench.contracts.rows import blocks, release_pages
from bench.data.array_like import Names
from bench.errors import DataError

SCALES = ("auto", "none", "unit", "standard")
#: A table of whole numbers 0 … 255 with a value above 127 and at least this many columns is read as pixels.
PIXEL_COLUMNS = 64

#: The squares of smaller differences vanish in float64.
LEAST_SPREAD = 1e-150


@dataclass(frozen=True)
class Summary:
    """Statistics of an array's rows, in float64. Each array has the shape of a row.

    Attributes:
        low, high: range over all rows.
        train_low, train_high, mean, variance: range and moments over the training rows.
        whole: whether all training values are whole numbers.
    """

    low: np.ndarray
    high: np.ndarray
    train_low: np.ndarray
    train_high: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    whole: bool

    @property
    def constant(self) -> np.ndarray:
        """Which values of a row never change in training, up to rounding (of the values and of their squares)."""
        rounding = LEAST_SPREAD + 8 * np.finfo(np.float64).eps * np.maximum(
            np.abs(self.train_low), np.abs(self.train_high)
        )
        with np.errstate(over="ignore"):  # a spread beyond the largest number is none that rounding makes
            return self.train_high - self.train_low <= rounding


@dataclass(frozen=True)
class Scaling:
    """A fitted scaling: data = (raw - shift) / scale.

    Attributes:
        shift, scale: numbers, or float64 arrays of one row's shape.
        words: what was done, for reports.
        constant: indices of columns that are constant in training and were set to 0 (tables only).
    """

    shift: np.ndarray | float
    scale: np.ndarray | float
    words: str
    constant: tuple[int, ...] = ()


def summarise(array: np.ndarray, train: np.ndarray, names: Names) -> Summary:
    """One pass over all rows of `array` (N, ...) in blocks; `train` are the training rows' numbers.

    Raises:
        DataError: the first value that is NaN or infinite, with row and column.
    """
    in_train = np.zeros(len(array), dtype=bool)
    in_train[train] = True
    shape = array.shape[1:]
    low, train_low = np.full(shape, np.inf), np.full(shape, np.inf)
    high, train_high = np.full(shape, -np.inf), np.full(shape, -np.inf)
    mean, squares, count, whole = np.zeros(shape), np.zeros(shape), 0, True
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in blocks(array.shape):
            block = np.asarray(array[rows], dtype=np.float64)
            release_pages(array)
            _refuse_non_finite(block, rows.start, names)
            np.minimum(low, block.min(0), out=low)
            np.maximum(high, block.max(0), out=high)
            block = block[in_train[rows]]
            if not len(block):
                continue
            np.minimum(train_low, block.min(0), out=train_low)
            np.maximum(train_high, block.max(0), out=train_high)
            whole = whole and bool(np.all(block == np.rint(block)))
            # Chan, Golub, LeVeque (1979): moments of the union from the moments of the parts.
            block_mean = block.mean(0)
            delta, total = block_mean - mean, count + len(block)
            squares += ((block - block_mean) ** 2).sum(0) + delta**2 * (count * len(block) / total)
            mean += delta * (len(block) / total)
            count = total
    return Summary(low, high, train_low, train_high, mean, squares / count, whole)


def fit_scaling(summary: Summary, scale: str, dtype: np.dtype, names: Names) -> Scaling:
    """Choose shift and scale from training rows.

    "none" keeps values; "unit" maps the training range to [0, 1] and "standard" to mean 0, variance 1: per column for
    tables, with one pair of numbers for images. Pixels (8-bit arrays beyond 0/1, images of whole numbers up to 255, and
    tables of such numbers with `PIXEL_COLUMNS` columns) are divided by 255 under "unit". "auto" keeps what lies in
    [0, 1], takes "unit" for pixels and other images, and "standard" for other tables.

    Raises:
        UsageError: an unknown `scale`.
        DataError: data without any variation, or too large for float32.

    >>> from bench.data.array_like import Names
    >>> rows = np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    >>> names = Names("measurements")
    >>> fitted = fit_scaling(summarise(rows, np.arange(3), names), "unit", rows.dtype, names)
    >>> fitted.shift.tolist(), fitted.scale.tolist(), fitted.constant
    ([0.0, 5.0], [4.0, 1.0], (1,))
    """
    one_of("scale", scale, SCALES)
    if summary.constant.all():
        raise DataError(f"{names.what}: all rows of the training part are the same; there is nothing to learn")
    pixels = _are_pixels(summary, dtype)
    if scale == "auto":
        if summary.train_low.min() >= 0 and summary.train_high.max() <= 1:
            scale = "none"
        else:
            scale = "unit" if pixels or summary.mean.ndim > 1 else "standard"
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        if scale == "none":
            fitted = Scaling(0.0, 1.0, "values as given")
        elif scale == "unit" and pixels:
            fitted = Scaling(0.0, 255.0, "pixels divided by 255")
        elif summary.mean.ndim > 1:
            fitted = _fit_images(summary, scale)
        else:
            fitted = _fit_columns(summary, scale)
    _refuse_overflow(summary, fitted, names)
    return fitted


def within_unit(summary: Summary, fitted: Scaling) -> bool:
    """Whether all rows, held-out ones included, lie in [0, 1] after scaling."""
    low, high = (summary.low - fitted.shift) / fitted.scale, (summary.high - fitted.shift) / fitted.scale
    return bool(low.min() >= 0 and high.max() <= 1)


def _are_pixels(summary: Summary, dtype: np.dtype) -> bool:
    lowest, highest = summary.train_low.min(), summary.train_high.max()
    if not summary.whole or lowest < 0 or highest <= 1 or highest > 255:
        return False
    if dtype == np.uint8 or summary.mean.ndim > 1:
        return True
    return highest > 127 and summary.mean.size >= PIXEL_COLUMNS


def _fit_images(summary: Summary, scale: str) -> Scaling:
    """One pair of numbers for all pixels, so that images stay images."""
    if scale == "unit":
        low, high = float(summary.train_low.min()), float(summary.train_high.max())
        return Scaling(low, high - low, f"range {low:g} … {high:g} of the training images mapped to [0, 1]")
    mean = float(summary.mean.mean())
    deviation = float(np.sqrt((summary.variance + (summary.mean - mean) ** 2).mean()))
    return Scaling(mean, deviation, "standardised with one mean and deviation for all pixels")


def _fit_columns(summary: Summary, scale: str) -> Scaling:
    """A pair of numbers per column; a column that is constant in training becomes 0."""
    constant = summary.constant
    if scale == "unit":
        shift, spread = summary.train_low, summary.train_high - summary.train_low
        words = "columns scaled to [0, 1] by the training range"
    else:
        shift, spread = summary.mean, np.sqrt(summary.variance)
        words = "columns standardised by the training rows"
    shift = np.where(constant, summary.train_low, shift)
    return Scaling(shift, np.where(constant, 1.0, spread), words, tuple(np.flatnonzero(constant).tolist()))


def _refuse_non_finite(block: np.ndarray, start: int, names: Names) -> None:
    if np.isfinite(block).all():
        return
    row, *index = np.argwhere(~np.isfinite(block))[0]
    value = block[(row, *index)]
    kind = "missing (NaN)" if np.isnan(value) else f"infinite ({value})"
    raise DataError(
        f"{names.what}: the value at {names.place(start + int(row), index)} is {kind}; correct it or remove the row"
    )


def _refuse_overflow(summary: Summary, fitted: Scaling, names: Names) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.maximum(np.abs(summary.high - fitted.shift), np.abs(summary.low - fitted.shift)) / fitted.scale
        if np.isfinite(fitted.scale).all() and spread.max() <= np.finfo(np.float32).max:
            return
    largest = np.unravel_index(np.argmax(np.maximum(np.abs(summary.high), np.abs(summary.low))), summary.high.shape)
    where = names.column(largest[0]) if len(largest) == 1 else f"position {tuple(int(i) for i in largest)}"
    raise DataError(f"{names.what}: {where} holds values too large for 32-bit numbers; rescale it first")
