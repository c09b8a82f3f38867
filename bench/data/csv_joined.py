"""The rows of one CSV file behind those of another with the same columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bench.contracts.checks import number_in
from bench.data.anomalies import MOST_CONTAMINATION, NORMAL, Marked
from bench.data.csv_file import Source, Table
from bench.data.csv_texts import Column, TextTable
from bench.errors import DataError
from bench.text import printable


@dataclass(frozen=True)
class Joined(Source):
    """What tables of two files have in common.

    Attributes:
        own: how many of the rows are those of the first file.
        other: where the others came from.
    """

    own: int
    other: Source

    def record(self, row: int) -> tuple[int, list[str]]:
        return super().record(row) if row < self.own else self.other.record(row - self.own)

    def called(self, row: int) -> str:
        return super().called(row) + (f" of {self.other.path.name!r}" if row >= self.own else "")

    def marked(self, rows: np.ndarray, contamination: float) -> Marked:
        """The second file's rows, among `rows`, as anomalies of one kind, which is called as the file is."""
        share = number_in("contamination", contamination, 0.0, MOST_CONTAMINATION)
        kinds = np.where(np.asarray(rows) < self.own, NORMAL, 0)
        if (kinds == NORMAL).all():
            raise DataError(f"{self.other.path.name!r}: no row is left to be an anomaly")
        return Marked(kinds, (printable(self.other.path.stem, 60),), share)


@dataclass(frozen=True)
class JoinedNumbers(Joined, Table):
    """Numbers of two files."""


@dataclass(frozen=True)
class JoinedTexts(Joined, TextTable):
    """Texts of two files."""


def joined(first: Table | TextTable, second: Table | TextTable) -> Joined:
    """The rows of `first`, then those of `second`; their labels, where there are any, are that of the first row.

    Raises:
        DataError: a column that only one of the two has.
    """
    names, others = _names(first), _names(second)
    for has, lacks, missing in ((first, second, set(names) - set(others)), (second, first, set(others) - set(names))):
        if missing:
            raise DataError(
                f"{has.path.name!r} has a column {printable(min(missing), 60)!r} that {lacks.path.name!r} lacks; "
                "anomalies need the same columns as the data"
            )
    order = [others.index(name) for name in names]
    common: dict[str, Any] = {field.name: getattr(first, field.name) for field in fields(Source)}
    n = len(first.values) if isinstance(first, Table) else len(first.columns[0].codes)
    m = len(second.values) if isinstance(second, Table) else len(second.columns[0].codes)
    common |= {"own": n, "other": second}
    common["labels"] = None if first.labels is None else [*first.labels, *first.labels[:1] * m]
    if isinstance(first, Table) and isinstance(second, Table):
        return JoinedNumbers(values=np.concatenate([first.values, second.values[:, order]]), columns=names, **common)
    assert isinstance(first, TextTable) and isinstance(second, TextTable)
    pairs = zip(first.columns, [second.columns[place] for place in order], strict=True)
    return JoinedTexts(columns=[_column(*pair) for pair in pairs], **common)


def _names(table: Table | TextTable) -> list[str]:
    return list(table.columns) if isinstance(table, Table) else [column.name for column in table.columns]


def _column(first: Column, second: Column) -> Column:
    known = {text: code for code, text in enumerate(first.texts)}
    codes = np.array([known.setdefault(text, len(known)) for text in second.texts], dtype=np.int64)[second.codes]
    return Column(first.name, np.concatenate([first.codes, codes]), tuple(known), first.place)
