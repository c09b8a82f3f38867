"""Parts that the data say themselves: a column that names each row's part, or groups that stay whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.contracts.dataset import PARTS, Split
from bench.data.array_like import Names
from bench.data.csv_texts import Column, TextTable
from bench.data.labels import MISSING, encode_labels
from bench.data.scaling import fit_scaling, summarise
from bench.data.split_arrays import _describe, _keeping, scaled_split
from bench.data.splitting import LEAST_TRAIN, TEST, VALIDATION, Rows, partition
from bench.errors import DataError, TooFewRows, UsageError, unknown_name
from bench.text import printable

#: What a column of parts may hold, in any case.
WORDS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2, "testing": 2}
#: Groups that a message names.
_NAMED = 3


@dataclass(frozen=True)
class Given:
    """Which part each row of a table belongs to.

    Attributes:
        codes: int (N,), places in `PARTS`.
        words: how they came about, for reports.
    """

    codes: np.ndarray
    words: str

    def rows(self, left: np.ndarray) -> Rows:
        """Each part's places among the rows that are `left` (their numbers in the table), in a fixed order.

        Raises:
            TooFewRows: too few rows to train or to test on.
        """
        own = self.codes[left]
        parts = Rows(*(np.random.default_rng(0).permutation(np.flatnonzero(own == code)) for code in range(len(PARTS))))
        if len(parts.train) < LEAST_TRAIN or not len(parts.test):
            raise TooFewRows(
                f"too few rows: {self.words} leaves {len(parts.train)} rows for training and {len(parts.test)} for "
                f"testing, where {LEAST_TRAIN} and 1 are needed"
            )
        return parts


def taken_out(table: TextTable, names: Sequence[str | None]) -> tuple[TextTable, list[Column | None]]:
    """The table without the columns of these names, and those; `UsageError` for a name that no column has."""
    known = {column.name: column for column in table.columns}
    for name in names:
        if name is not None and name not in known:
            raise unknown_name("column", name, known)
    left = [column for column in table.columns if column.name not in names]
    return replace(table, columns=left), [None if name is None else known[name] for name in names]


def given_parts(
    table: TextTable, split: Column | None, group: Column | None, settings: Mapping[str, Any]
) -> Given | None:
    """Parts by a column that names them, or by whole groups; None without either.

    Args:
        settings: `validation`, `test` and `split_seed`, which divide groups and have nothing to say beside `split`.

    Raises:
        DataError: a value that is no part's name; a group with rows in several parts, by name.
        UsageError: sizes or a seed beside a column that gives the parts.
    """
    what = repr(table.path.name)
    if group is not None:
        _refuse_nameless(group, table)
    if split is None:
        return None if group is None else _by_group(group, settings)
    sizes = {name: settings[name] for name in ("validation", "test", "split_seed")}
    if sizes != {"validation": VALIDATION, "test": TEST, "split_seed": 0}:
        raise UsageError(
            f"split={split.name} names the part of every row, so that there is one division; leave out validation=, "
            "test=, split_seed= and --splits"
        )
    of_text = np.array([WORDS.get(text.lower(), -1) for text in split.texts])
    codes = of_text[split.codes]
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        text = split.texts[split.codes[row]]
        raise DataError(
            f"{what}: {printable(text, 40)!r} at {table.called(row)}, column {split.name!r} names no part; expected "
            "train, val (or validation) or test in every row"
        )
    if group is not None:
        _refuse_leaks(group, codes, what)
    return Given(codes, f"divided by the column {printable(split.name, 40)!r}")


def _refuse_nameless(group: Column, table: TextTable) -> None:
    """Raise `DataError` for a row that says no group: it may be anybody's."""
    lost = [code for code, text in enumerate(group.texts) if group.counts[code] and (not text or text in MISSING)]
    if lost:
        row = int(np.argmax(np.isin(group.codes, lost)))
        raise DataError(
            f"{table.path.name!r}: {table.called(row)} has no group in column {group.name!r}, and rows of one "
            "group must not be in two parts; fill it in or remove the row"
        )


def _by_group(group: Column, settings: Mapping[str, Any]) -> Given:
    """Whole groups, shuffled by the seed; sizes are those of groups."""
    sizes = {name: settings[name] for name in ("validation", "test", "split_seed")}
    present = np.flatnonzero(group.counts)
    of_text = np.zeros(len(group.texts), dtype=np.int64)
    for code, part in enumerate(partition(len(present), **sizes)):
        of_text[present[part]] = code
    return Given(of_text[group.codes], f"divided by {len(present)} whole groups of {printable(group.name, 40)!r}")


def _refuse_leaks(group: Column, codes: np.ndarray, what: str) -> None:
    """Raise `DataError` where a group has rows in several parts: what is tested would have been trained on."""
    seen = np.zeros((len(group.texts), len(PARTS)), dtype=bool)
    seen[group.codes, codes] = True
    torn = np.flatnonzero(seen.sum(1) > 1)
    if torn.size:
        named = [f"{printable(group.texts[one], 30)!r} ({', '.join(PARTS[p] for p in np.flatnonzero(seen[one]))})"
                 for one in torn[:_NAMED]]  # fmt: skip
        more = f" and {torn.size - _NAMED} more" if torn.size > _NAMED else ""
        raise DataError(
            f"{what}: groups of {group.name!r} have rows in several parts: {', '.join(named)}{more}; give each group "
            "one part"
        )


def split_of(
    values: np.ndarray, labels: list[str] | None, parts: Rows, names: Names, scale: str, flags: Sequence[int],
    notes: Sequence[str], memory_limit: int,
) -> Split:  # fmt: skip
    """The split of rows `values` (N, D) whose parts are given; arguments and errors as `split_arrays`."""
    coded = (None, None) if labels is None else encode_labels(labels, len(values), row_name=names.row)
    summary = summarise(values, parts.train, names)
    fitted = _keeping(fit_scaling(summary, scale, values.dtype, names), flags)
    lazy = values.size * 4 > memory_limit
    return scaled_split(
        values, parts, coded, summary, fitted, _describe(names.what, values.shape, fitted, notes, lazy), lazy
    )
