"""What the training rows of a table decided, kept so that other rows of the same columns become numbers alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.data.csv_file import listed
from bench.data.csv_texts import Column, TextTable
from bench.data.labels import MISSING
from bench.errors import DataError
from bench.text import printable


@dataclass(frozen=True)
class Applied:
    """Rows of another table as numbers.

    Attributes:
        values: float64 (N, D), as the model's rows before they are scaled.
        rows: of the table's rows those that are there.
        unknown: column of text → kind that no training row has → its rows; they are 0 in each of its columns.
        filled: column of numbers → how many missing values were filled.
    """

    values: np.ndarray
    rows: np.ndarray
    unknown: Mapping[str, Mapping[str, int]]
    filled: Mapping[str, int]


@dataclass(frozen=True)
class Recipe:
    """How rows become numbers.

    Attributes:
        order: columns that are looked at, as they stand in the training file.
        numbers: those of numbers, in the order of the values.
        kinds: those of text, each with the kinds that the training file has, a missing one last.
        transformer: fitted on the training rows: (N, numbers and ranks of kinds) → (N, D).
        columns: names of the D values.
        seen: of each column of text, the kinds that training rows have.
        missing: of `mixed_table.MISSING_RULES`.
    """

    order: tuple[str, ...]
    numbers: tuple[str, ...]
    kinds: Mapping[str, tuple[str, ...]]
    transformer: Any
    columns: tuple[str, ...]
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    missing: str = "median"

    @property
    def groups(self) -> dict[str, list[int]]:
        """Column of text → the places of its values, a 0 or 1 for each kind."""
        end = len(self.columns)
        start, groups = end - sum(len(self.seen[name]) for name in self.kinds), {}
        for name in self.kinds:
            groups[name] = list(range(start, start := start + len(self.seen[name])))
        return groups

    def apply(self, table: TextTable) -> Applied:
        """Rows of `table` as numbers; what it holds besides is not looked at.

        Raises:
            DataError: columns that are missing or in another order, by name; text or infinite values in a column of
                numbers, by line; missing values that are refused; no row is left.
        """
        self._refuse_columns([column.name for column in table.columns], repr(table.path.name))
        own = {column.name: column for column in table.columns}
        parts = [_numbers(own[name], table) for name in self.numbers]
        matrix = np.stack([*parts, *(_ranks(own[name], texts) for name, texts in self.kinds.items())], axis=1)
        n = len(self.numbers)
        absent = np.isnan(matrix)
        rows = self._rows(absent, table)
        unknown = {name: found for name in self.kinds if (found := self._strange(own[name], rows))}
        for place, texts in enumerate(self.kinds.values(), n):
            matrix[absent[:, place], place] = len(texts) - 1
        counts = absent[rows, :n].sum(0)
        filled = {name: int(count) for name, count in zip(self.numbers, counts, strict=True) if count}
        return Applied(self.transformer.transform(matrix[rows]), rows, unknown, filled)

    def _refuse_columns(self, names: Sequence[str], what: str) -> None:
        lost = [name for name in self.order if name not in names]
        if lost:
            raise DataError(
                f"{what} lacks {'the columns' if len(lost) > 1 else 'the column'} {listed(lost)} that the model was "
                f"trained on; give {'them' if len(lost) > 1 else 'it'}, in the order {listed(self.order)}"
            )
        found = [name for name in names if name in self.order]
        for here, wanted in zip(found, self.order, strict=True):
            if here != wanted:
                raise DataError(
                    f"{what} has its columns in another order than in training: {printable(here, 40)!r} stands where "
                    f"{printable(wanted, 40)!r} is expected; put them in the order {listed(self.order)}"
                )

    def _rows(self, absent: np.ndarray, table: TextTable) -> np.ndarray:
        """The rows that stay, as the rule for missing values says."""
        if self.missing == "refuse" and absent.any():
            row, place = np.argwhere(absent)[0]
            name = [*self.numbers, *self.kinds][place]
            raise DataError(
                f"{table.path.name!r}: the value at line {table.line(int(row))}, column {name!r} is missing; the model "
                "was trained with missing=refuse: fill it in or remove the row"
            )
        rows = np.flatnonzero(~absent.any(1)) if self.missing == "drop" else np.arange(len(absent))
        if not len(rows):
            raise DataError(f"{table.path.name!r}: no row is left, as each lacks a value and missing=drop")
        return rows

    def _strange(self, column: Column, rows: np.ndarray) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for text, count in zip(column.texts, np.bincount(column.codes[rows], minlength=len(column.texts)), strict=True):
            if count and (text := _kind(text)) not in self.seen[column.name]:
                counts[text] += int(count)
        return dict(counts)


def _kind(text: str) -> str:
    """The kind that a cell's text stands for: a missing one is one of its own."""
    return "missing" if not text or text in MISSING else text


def _numbers(column: Column, table: TextTable) -> np.ndarray:
    """The numbers of a column, NaN where one is missing."""
    values = column.numbers[column.codes]
    bad = np.isin(column.codes, column.strange) | np.isinf(values)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        text = column.texts[column.codes[row]]
        raise DataError(
            f"{table.path.name!r}: {printable(text, 40)!r} at line {table.line(row)}, column {column.name!r} is no "
            "finite number, and training had numbers there; correct it or remove the row"
        )
    return values


def _ranks(column: Column, texts: Sequence[str]) -> np.ndarray:
    """The place of each cell's kind among `texts`, NaN for a missing one, their number for an unknown one."""
    place = {text: rank for rank, text in enumerate(texts[:-1])}
    rank = [np.nan if _kind(text) != text else place.get(text, len(texts)) for text in column.texts]
    return np.array(rank, dtype=float)[column.codes]
