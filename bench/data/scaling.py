"""Scaling of raw data, fitted on training rows only: (raw - shift) / scale, computed in blocks of bounded size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.contracts.checks import one_of
from bench.contracts.rows import blocks, release_pages
from bench.data.array_like import Names
from bench.errors import DataError

SCALES = ("auto", "none", "unit", "standard")
#: A table of whole numbers 0 … 255 with a value above 127 and at least this many columns is read as pixels.
PIXEL_COLUMNS = 64

#: What a column within [0, 1] must cover of it to be kept as it is: from `PIXEL_COLUMNS` columns on, half of them the
#: first share and all others the second, one step of an 8-bit pixel.
KEPT_SPREAD, PIXEL_STEP = 0.1, 1 / 256
#: The squares of smaller differences vanish in float64.
LEAST_SPREAD = 1e-150
_FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class Summary:
    """Statistics of an array's rows, in float64. Each array has the shape of a row.

    Attributes:
        low, high: range over all rows.
        train_low, train_high, mean, variance: range and moments over the training rows.
        whole: whether all training values are whole numbers.
        merged: which whole numbers differ in training but are the same as float64.
        counting: which columns rise by one from each row to the next (tables of three rows and more).
    """

    low: np.ndarray
    high: np.ndarray
    train_low: np.ndarray
    train_high: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    whole: bool
    merged: np.ndarray
    counting: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """Which values of a row never change in training, up to rounding (of the values and of their squares)."""
        rounding = LEAST_SPREAD + 8 * np.finfo(np.float64).eps * np.maximum(
            np.abs(self.train_low), np.abs(self.train_high)
        )
        return self.spread <= rounding

    @property
    def spread(self) -> np.ndarray:
        """How far apart the smallest and largest training values are."""
        with np.errstate(over="ignore"):  # beyond the largest number: infinite
            return self.train_high - self.train_low

    @property
    def hidden(self) -> np.ndarray:
        """Which of the `constant` values do change in training, by less than can be computed with."""
        return self.constant & ((self.spread > 0) | self.merged)


@dataclass(frozen=True)
class Scaling:
    """A fitted scaling: data = (raw - shift) / scale.

    Attributes:
        shift, scale: numbers, or float64 arrays of one row's shape.
        words: what was done, for reports.
        constant: indices of columns that are constant in training and set to 0 in every part by an infinite scale
            (tables only).
        warnings: what else a report should say.
    """

    shift: np.ndarray | float
    scale: np.ndarray | float
    words: str
    constant: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def summarise(array: np.ndarray, train: np.ndarray, names: Names, apart: np.ndarray | None = None) -> Summary:
    """One pass over all rows of `array` (N, ...) in blocks; `train` are the training rows' numbers.

    Rows `apart`, by number, are checked for values that are not finite and count for nothing else.

    Raises:
        DataError: the first value that is NaN or infinite, with row and column.
    """
    in_train = np.zeros(len(array), dtype=bool)
    in_train[train] = True
    counted = np.ones(len(array), dtype=bool)
    if apart is not None:
        counted[apart] = False
    shape = array.shape[1:]
    low, train_low = np.full(shape, np.inf), np.full(shape, np.inf)
    high, train_high = np.full(shape, -np.inf), np.full(shape, -np.inf)
    mean, squares, count, whole = np.zeros(shape), np.zeros(shape), 0, True
    counting, merged = _Counting(array), _Merged(array)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in blocks(array.shape):
            block = np.asarray(array[rows], dtype=np.float64)
            release_pages(array)
            _refuse_non_finite(block, rows.start, names)
            of_parts = block if apart is None else block[counted[rows]]
            np.minimum(low, of_parts.min(0, initial=np.inf), out=low)
            np.maximum(high, of_parts.max(0, initial=-np.inf), out=high)
            counting.see(block)
            block = block[in_train[rows]]
            if not len(block):
                continue
            merged.see(array[rows][in_train[rows]])
            np.minimum(train_low, block.min(0), out=train_low)
            np.maximum(train_high, block.max(0), out=train_high)
            whole = whole and bool(np.all(block == np.rint(block)))
            # Chan, Golub, LeVeque (1979): moments of the union from the moments of the parts.
            block_mean = block.mean(0)
            delta, total = block_mean - mean, count + len(block)
            squares += ((block - block_mean) ** 2).sum(0) + delta**2 * (count * len(block) / total)
            mean += delta * (len(block) / total)
            count = total
    squares /= count
    return Summary(low, high, train_low, train_high, mean, squares, whole, merged.mask, counting.mask)


class _Counting:
    """Which columns rise by one from row to row, over blocks of rows."""

    def __init__(self, array: np.ndarray):
        self.mask = np.full(array.shape[1:], array.ndim == 2 and len(array) > 2)
        self.before: np.ndarray | None = None

    def see(self, block: np.ndarray) -> None:
        if not self.mask.any():
            return
        if self.before is not None:
            block = np.concatenate([self.before, block])
        self.mask = self.mask & (np.diff(block, axis=0) == 1).all(0)
        self.before = block[-1:]


class _Merged:
    """Which 64-bit whole numbers differ but become one float64, over blocks of rows."""

    def __init__(self, array: np.ndarray):
        self.mask = np.zeros(array.shape[1:], dtype=bool)
        self.wide = array.dtype.kind in "iu" and array.dtype.itemsize == 8
        self.first: np.ndarray | None = None

    def see(self, block: np.ndarray) -> None:
        if self.wide:
            self.first = block[0].copy() if self.first is None else self.first
            self.mask |= ((block != self.first) & (block.astype(np.float64) == self.first.astype(np.float64))).any(0)


def fit_scaling(summary: Summary, scale: str, dtype: np.dtype, names: Names) -> Scaling:
    """Choose shift and scale from training rows.

    "none" keeps values; "unit" maps the training range to [0, 1] and "standard" to mean 0, variance 1: per column for
    tables, with one pair of numbers for images. Pixels (8-bit arrays beyond 0/1, images of whole numbers up to 255, and
    tables of such numbers with `PIXEL_COLUMNS` columns) are divided by 255 under "unit". "auto" keeps what lies in
    [0, 1] and looks like pixels or shares (see `_are_shares`), takes "unit" for pixels and other images, and "standard"
    for other tables.

    Raises:
        UsageError: an unknown `scale`.
        DataError: data without any variation, or too large, too small or too close together to be told apart.

    >>> from bench.data.array_like import Names
    >>> rows = np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    >>> names = Names("measurements")
    >>> fitted = fit_scaling(summarise(rows, np.arange(3), names), "unit", rows.dtype, names)
    >>> fitted.shift.tolist(), fitted.scale.tolist(), fitted.constant
    ([0.0, 5.0], [4.0, inf], (1,))
    """
    one_of("scale", scale, SCALES)
    if summary.constant.all():
        raise _nothing_varies(summary, names)
    pixels = _are_pixels(summary, dtype)
    if scale == "auto":
        if _are_shares(summary):
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
    return replace(fitted, warnings=_warnings(summary, fitted, names))


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


def _are_shares(summary: Summary) -> bool:
    """Whether values within [0, 1] are pixels or shares, which are compared as they are.

    Images: they cover at least `KEPT_SPREAD` of [0, 1]. Tables: every column that varies does so; of `PIXEL_COLUMNS`
    and more, at least half do, and the others (a picture's corners) cover at least `PIXEL_STEP`. Small quantities of
    another kind, kept beside large ones, would be lost in the sum of squares.
    """
    if summary.train_low.min() < 0 or summary.train_high.max() > 1:
        return False
    if summary.mean.ndim > 1:
        return bool(summary.train_high.max() - summary.train_low.min() >= KEPT_SPREAD)
    spread = summary.spread[~summary.constant]
    wide = (spread >= KEPT_SPREAD).mean()
    return bool(wide == 1 or (summary.mean.size >= PIXEL_COLUMNS and wide >= 0.5 and spread.min() >= PIXEL_STEP))


def _fit_images(summary: Summary, scale: str) -> Scaling:
    """One pair of numbers for all pixels, so that images stay images."""
    if scale == "unit":
        low, high = float(summary.train_low.min()), float(summary.train_high.max())
        return Scaling(low, high - low, f"range {low:g} … {high:g} of the training images mapped to [0, 1]")
    mean = float(summary.mean.mean())
    deviation = float(np.sqrt((summary.variance + (summary.mean - mean) ** 2).mean()))
    return Scaling(mean, deviation, "standardised with one mean and deviation for all pixels")


def _fit_columns(summary: Summary, scale: str) -> Scaling:
    """A pair of numbers per column; a column that is constant in training becomes 0, whatever held-out rows hold."""
    constant = summary.constant
    if scale == "unit":
        shift, spread = summary.train_low, summary.train_high - summary.train_low
        words = "columns scaled to [0, 1] by the training range"
    else:
        shift, spread = summary.mean, np.sqrt(summary.variance)
        words = "columns standardised by the training rows"
    shift = np.where(constant, summary.train_low, shift)
    return Scaling(shift, np.where(constant, np.inf, spread), words, tuple(np.flatnonzero(constant).tolist()))


def _refuse_non_finite(block: np.ndarray, start: int, names: Names) -> None:
    if np.isfinite(block).all():
        return
    row, *index = np.argwhere(~np.isfinite(block))[0]
    value = block[(row, *index)]
    kind = "missing (NaN)" if np.isnan(value) else f"infinite ({value})"
    raise DataError(
        f"{names.what}: the value at {names.place(start + int(row), index)} is {kind}; correct it or remove the row"
    )


def _nothing_varies(summary: Summary, names: Names) -> DataError:
    """Why there is nothing to learn: rows that are the same, or that differ by less than can be computed with."""
    if not summary.hidden.any():
        return DataError(f"{names.what}: all rows of the training part are the same; there is nothing to learn")
    place = np.unravel_index(np.argmax(summary.hidden), summary.hidden.shape)
    size = max(abs(summary.train_low[place]), abs(summary.train_high[place]))
    reason = (
        f"values too small to compute with (at most {size:g}); multiply them by a large number"
        if size <= 2 * LEAST_SPREAD
        else f"values too close together for their size ({size:g}) to be told apart; subtract their smallest value"
    )
    return DataError(f"{names.what}: {_where(place, names)} holds {reason} first")


def _warnings(summary: Summary, fitted: Scaling, names: Names) -> tuple[str, ...]:
    """Columns that are set to 0, count the rows, or can hardly be told apart as float32.

    Raises:
        DataError: no value can be told apart as float32.
    """
    found = []
    constant = np.zeros(summary.mean.shape, dtype=bool)
    constant[list(fitted.constant)] = True
    if (same := constant & ~summary.hidden).any():
        found.append(f"constant in training and therefore kept at 0: {names.columns_of(same)}")
        other = same & ((summary.low < summary.train_low) | (summary.high > summary.train_high))
        if other.any():
            found.append(f"at 0 although held-out rows hold other values: {names.columns_of(other)}")
    if (hidden := constant & summary.hidden).any():
        found.append(f"too small or too close together to be told apart and kept at 0: {names.columns_of(hidden)}")
    if summary.counting.any():
        found.append(f"counts the rows and is trained on (remove it if it is no measurement): "
                     f"{names.columns_of(summary.counting)}")  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.maximum(np.abs(summary.train_low - fitted.shift), np.abs(summary.train_high - fitted.shift))
        size, spread = sizes / fitted.scale, summary.spread / fitted.scale
    varies = ~summary.constant
    merged = varies & ((spread <= _FLOAT32.eps * size) | (size < _FLOAT32.tiny))
    if merged.any() and (merged == varies).all():
        place = np.unravel_index(np.argmax(merged), merged.shape)
        reason = "too small" if size[place] < _FLOAT32.tiny else "too close together for their size"
        raise DataError(
            f"{names.what}: {_where(place, names)} holds values {reason} for 32-bit numbers; use scale=standard or "
            "scale=unit, or rescale them first"
        )
    if merged.any() and merged.ndim == 1:
        found.append(f"too small or too close together for 32-bit numbers as given: {names.columns_of(merged)}")
    return tuple(found)


def _refuse_overflow(summary: Summary, fitted: Scaling, names: Names) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.maximum(np.abs(summary.high - fitted.shift), np.abs(summary.low - fitted.shift)) / fitted.scale
        varies = np.isfinite(np.broadcast_to(fitted.scale, summary.mean.shape)) | summary.constant
        if varies.all() and spread.max() <= _FLOAT32.max:
            return
    largest = np.unravel_index(np.argmax(np.maximum(np.abs(summary.high), np.abs(summary.low))), summary.high.shape)
    raise DataError(
        f"{names.what}: {_where(largest, names)} holds values too large for 32-bit numbers; rescale it first"
    )


def _where(place: tuple, names: Names) -> str:
    return names.column(place[0]) if len(place) == 1 else f"position {tuple(int(i) for i in place)}"
