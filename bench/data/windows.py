"""Windows of a series as sequences (C, T), so that no raw row is in two parts of the data.

A series has R rows (time steps) of C values. Its rows are divided first, then each part is cut into windows of its own:

- by time: the first rows train, the next validate, the last test, with `gap` rows between parts that nobody sees;
- by group: every group is a series of its own, and whole groups go to one part;
- at random: windows are shuffled, which is honest only where they share no rows (stride ≥ window).

Labels of rows become those of windows: what all rows of a window have, or where that is asked for, most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.contracts.checks import one_of, whole_number
from bench.contracts.dataset import Split
from bench.data.array_like import Names
from bench.data.labels import encode_labels
from bench.data.scaling import Scaling, fit_scaling, summarise
from bench.data.split_arrays import scaled_split
from bench.data.splitting import TEST, VALIDATION, Rows, part_size, partition
from bench.errors import DataError, TooFewRows, UsageError
from bench.text import printable

WAYS = ("auto", "time", "group", "random")
LABELS = ("all", "majority")


@dataclass(frozen=True)
class Windows:
    """How a series is cut and divided.

    Attributes:
        window, stride: rows of a window, and rows from the start of one to the next (a window's length if None).
        way: of `WAYS`; auto is by group where there are groups, else by time.
        gap: rows that are left out between parts that are divided by time.
        validation, test: share (below 1) or number of rows (time), groups (group) or windows (random).
        split_seed: which division by group or at random.
        label: of `LABELS`, whose label a window has: that of all of its rows, or of most.

    Raises:
        UsageError: a value out of range, or one that the way of dividing has no use for.
    """

    window: int
    stride: int | None = None
    way: str = "auto"
    gap: int = 0
    validation: float = VALIDATION
    test: float = TEST
    split_seed: int = 0
    label: str = "all"

    def __post_init__(self) -> None:
        whole_number("window", self.window, 1)
        whole_number("stride", self.step, 1)
        whole_number("gap", self.gap, 0)
        whole_number("split_seed", self.split_seed, 0)
        one_of("split", self.way, WAYS)
        one_of("window_label", self.label, LABELS)
        if self.gap and self.way not in ("auto", "time"):
            raise UsageError(f"gap={self.gap} goes with split=time; split={self.way} leaves no rows between parts")
        if self.split_seed and self.way in ("auto", "time"):
            raise UsageError(f"split_seed={self.split_seed}: time has one order; leave it out, or give split=group")
        if self.way == "random" and self.step < self.window:
            raise UsageError(
                f"overlapping windows: window={self.window},stride={self.step} put one row into several windows, and "
                f"split=random these into several parts; give split=time, or stride={self.window}"
            )
        if part_size("test", self.test, 1000) == 0:
            raise UsageError("test=0: at least one row is needed for testing")

    @property
    def step(self) -> int:
        """Rows from the start of a window to the next."""
        return self.window if self.stride is None else self.stride

    def starts(self, low: int, high: int) -> np.ndarray:
        """First rows of the windows within rows low … high - 1."""
        return np.arange(low, high - self.window + 1, self.step)

    def parts(self, n: int, groups: np.ndarray | None) -> Rows:
        """First rows of the windows of each part.

        Args:
            n: rows of the series.
            groups: (n,) number of each row's group, rows of a group next to each other; or None.

        Raises:
            UsageError: a division by group without groups, or by anything else with them.
            TooFewRows: a part that was asked for has no window, or training fewer than two.
        """
        way = ("time" if groups is None else "group") if self.way == "auto" else self.way
        if (way == "group") != (groups is not None):
            raise UsageError("split=group needs group=COLUMN, the column that names each row's group, and only it does")
        if groups is not None:
            found = self._by_group(groups)
        else:
            found = self._by_time(n) if way == "time" else self._at_random(n)
        self._refuse_empty(found, n)
        # A fixed order, as a smaller training set is a prefix of a larger one.
        return Rows(*(np.random.default_rng(self.split_seed).permutation(part) for part in found))

    def _by_time(self, n: int) -> Rows:
        n_test, n_validation = part_size("test", self.test, n), part_size("validation", self.validation, n)
        from_test = n - n_test
        to_validation = from_test - self.gap
        from_validation = to_validation - n_validation
        to_train = from_validation - (self.gap if n_validation else 0)
        return Rows(self.starts(0, to_train), self.starts(from_validation, to_validation), self.starts(from_test, n))

    def _by_group(self, groups: np.ndarray) -> Rows:
        edges = np.flatnonzero(np.diff(groups, prepend=-1, append=-1))
        chosen = self._shuffled(len(edges) - 1)
        return Rows(*(self._joined([self.starts(edges[k], edges[k + 1]) for k in part]) for part in chosen))

    def _at_random(self, n: int) -> Rows:
        starts = self.starts(0, n)
        return Rows(*(starts[part] for part in self._shuffled(len(starts))))

    def _shuffled(self, n: int) -> Rows:
        return partition(n, validation=self.validation, test=self.test, split_seed=self.split_seed)

    @staticmethod
    def _joined(starts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype=np.int64), *starts])

    def _refuse_empty(self, found: Rows, n: int) -> None:
        least = {"train": 2, "validation": int(self.validation > 0), "test": 1}
        for part, starts in found._asdict().items():
            if len(starts) < least[part]:
                raise TooFewRows(
                    f"too few rows: of {n}, the {part} part has {len(starts)} windows of {self.window} rows where "
                    f"{least[part]} are needed; add rows, or lower window=, stride=, gap= or the other parts' sizes"
                )


def window_split(
    series: np.ndarray,
    how: Windows,
    scale: str,
    names: Names,
    groups: Any = None,
    memory_limit: int = 2_000_000_000,
    labels: Any = None,
) -> Split:
    """Sequences (N, C, T) from a series (R, C), scaled series by series by what its training rows say.

    Args:
        groups: (R,) text or numbers that name each row's group, or None; rows of a group are put together in order.
        scale: as of `split_arrays`.
        labels: (R,) class of each row, or None.

    Raises:
        DataError: values that are not finite, with row and column; a window whose rows have several labels.
        TooFewRows, UsageError: see `Windows.parts`.
    """
    if series.ndim == 1:
        series = series[:, None]
    if series.ndim != 2:
        raise DataError(f"{names.what}: shape {series.shape}; windows are cut from rows of values (R, C)")
    numbers = None
    codes, classes = (None, None) if labels is None else encode_labels(labels, len(series), row_name=names.row)
    if groups is not None:
        numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
        order = np.argsort(numbers, kind="stable")
        series, numbers = series[order], numbers[order]
        codes = None if codes is None else codes[order]
        row_name = names.row
        names = Names(names.columns, lambda row: row_name(int(order[row])), names.what)
    if how.window > len(series):
        raise TooFewRows(f"too few rows: a window of {how.window} rows does not fit {len(series)}; lower window=")
    parts = how.parts(len(series), numbers)
    in_train = np.unique(parts.train[:, None] + np.arange(how.window))
    summary = summarise(series, in_train, names)
    fitted = fit_scaling(summary, scale, series.dtype, names)
    if np.ndim(fitted.scale):  # of rows (C,), for sequences (C, T)
        shift, spread = (np.asarray(value)[:, None] for value in (fitted.shift, fitted.scale))
        summary = replace(summary, low=summary.low[:, None], high=summary.high[:, None])
        fitted = replace(fitted, shift=shift, scale=spread)
    base = np.lib.stride_tricks.sliding_window_view(series, how.window, axis=0)  # (R - T + 1, C, T), no copy
    values = sum(map(len, parts)) * series.shape[1] * how.window
    own = None if codes is None or classes is None else _window_labels(codes, classes, how, parts, names)
    split = scaled_split(base, parts, (own, classes), summary, fitted, "", values * 4 > memory_limit)
    return replace(split, description=_describe(names.what, series, how, parts, fitted))


def _window_labels(codes: np.ndarray, classes: Sequence[str], how: Windows, parts: Rows, names: Names) -> np.ndarray:
    """The most frequent class of each window of rows with classes `codes` (R,), of equals the first: (R - T + 1,).

    Raises:
        DataError: not the one class of its rows, for a window that is used, where all rows must have it.
    """
    n = len(codes) - how.window + 1
    best, most = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for code in range(len(classes)):
        seen = np.concatenate([[0], np.cumsum(codes == code)])
        count = seen[how.window :] - seen[:n]
        best, most = np.where(count > most, code, best), np.maximum(most, count)
    used = np.sort(np.concatenate(parts))
    mixed = used[most[used] < how.window]
    if how.label == "all" and len(mixed):
        first, last = mixed[0], mixed[0] + how.window - 1
        found = [printable(classes[code], 40) for code in np.unique(codes[first : last + 1])]
        raise DataError(
            f"{names.what}: {len(mixed)} of {len(used)} windows have rows of several labels, first that of "
            f"{names.row(int(first))} to {names.row(int(last))} ({', '.join(found[:3])}); give window_label=majority "
            "for that of most rows, or a shorter window"
        )
    return best


def _describe(what: str, series: np.ndarray, how: Windows, parts: Rows, fitted: Scaling) -> str:
    cut = f"{sum(map(len, parts))} windows of {how.window} rows, {how.step} apart, from {len(series)} rows"
    gap = f", {how.gap} rows left out between parts" if how.gap else ""
    warnings = [f"WARNING: {warning}" for warning in fitted.warnings]
    return printable("; ".join([f"{what}: {cut} of {series.shape[1]} values{gap}", fitted.words, *warnings]))
