"""CSV files of numbers with an optional label column; errors count lines and columns as an editor shows them."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from bench.errors import DataError, unknown_name

DELIMITERS = ",;\t"
MISSING = ("na", "n/a", "null", "none", "?", "-", "missing")


@dataclass(frozen=True)
class Table:
    """A CSV file's content.

    Attributes:
        values: float64 (N, D).
        columns: D names, without the label column.
        labels: N texts, or None.
        lines: the line of the file on which each row starts, counted from 1.
    """

    values: np.ndarray
    columns: list[str]
    labels: list[str] | None
    lines: array


def read_csv(path: Path, label: str | None, limit: int) -> Table:
    """Read a UTF-8 CSV file whose delimiter is the most frequent of comma, semicolon and tab in its first line.

    A first line of numbers only is data (columns are then called column1, column2, …), unless it counts 0, 1, 2, … or
    1, 2, 3, …, as pandas names columns.

    Args:
        path: the file.
        label: name of the label column, or None.
        limit: most bytes that the values may take as float64.

    Raises:
        DataError: not UTF-8, ragged, empty, or a value that is no number, with line and column.
        UsageError: no column of the name `label`.
    """
    what = repr(path.name)
    if path.stat().st_size > limit:
        raise DataError(f"{what} is larger than memory_limit={limit} bytes; save it as .npy, which is read as needed")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _parse(stream, what, label, limit)
    except UnicodeDecodeError:
        raise DataError(
            f"{what}, line {_undecodable_line(path)}: not UTF-8 text; save the file with UTF-8 encoding"
        ) from None


def _parse(stream: TextIO, what: str, label: str | None, limit: int) -> Table:
    opening = stream.readline()
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", opening).count)
    records = _records(chain([opening], stream), delimiter, what)
    start, first = next(records, (0, []))
    if not first:
        raise DataError(f"{what} is empty; expected a line of column names and lines of numbers")
    if _is_data(first):
        columns = [f"column{index}" for index in range(1, len(first) + 1)]
        records = chain([(start, first)], records)
    else:
        columns = _column_names(first, start, what)
    if label is not None and label not in columns:
        raise unknown_name("label column", label, columns)
    return _rows(records, columns, label, start, delimiter, what, limit)


def _rows(
    records: Iterator[tuple[int, list[str]]],
    columns: list[str],
    label: str | None,
    start: int,
    delimiter: str,
    what: str,
    limit: int,
) -> Table:
    position = None if label is None else columns.index(label)
    names = [column for index, column in enumerate(columns) if index != position]
    if not names:
        raise DataError(f"{what} has no columns beside the labels")
    values, lines, labels = array("d"), array("q"), []
    for line, record in records:
        if len(record) != len(columns):
            raise DataError(
                f"{what}, line {line}: {len(record)} values where line {start} has {len(columns)}; "
                f"all lines need the same number (delimiter {delimiter!r})"
            )
        cells = record if position is None else record[:position] + record[position + 1 :]
        try:
            values.extend(map(float, cells))
        except ValueError:
            raise _not_a_number(record, columns, position, line, what) from None
        if position is not None:
            labels.append(record[position])
        lines.append(line)
        if len(values) * 8 > limit:
            raise DataError(f"{what}: values take more than memory_limit={limit} bytes; save it as .npy instead")
    if not lines:
        raise DataError(f"{what} has column names but no rows of numbers")
    table = np.frombuffer(values, dtype=np.float64).reshape(len(lines), len(names))
    return Table(table, names, None if position is None else labels, lines)


def _records(lines: Iterable[str], delimiter: str, what: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line on which it starts."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{what}, line {line}: not readable as CSV ({error})") from None
        if record is None:
            return
        if record:
            yield line, record


def _is_data(first: list[str]) -> bool:
    """Whether a first line holds values and not names."""
    try:
        numbers = [float(cell) for cell in first]
    except ValueError:
        return False
    counts = [[float(start + index) for index in range(len(first))] for start in (0, 1)]
    return len(first) == 1 or numbers not in counts


def _column_names(first: list[str], line: int, what: str) -> list[str]:
    columns = [cell.strip() for cell in first]
    for index, column in enumerate(columns):
        if not column:
            hint = "; if it is a row index, remove it (pandas: to_csv(index=False))" if index == 0 else ""
            raise DataError(f"{what}, line {line}: column {index + 1} has no name{hint}")
        if column in columns[:index]:
            raise DataError(f"{what}, line {line}: two columns are called {column!r}; rename one")
    return columns


def _not_a_number(record: list[str], columns: list[str], position: int | None, line: int, what: str) -> DataError:
    """The error for the first cell of a record that is no number."""
    for index, cell in enumerate(record):
        if index == position or _is_number(cell):
            continue
        place = f"{what}, line {line}, column {index + 1} ({columns[index]!r})"
        if not cell.strip() or cell.strip().lower() in MISSING:
            return DataError(f"{place}: the value is missing ({cell!r}); fill it in or remove the line")
        if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", cell):
            return DataError(f"{place}: {cell!r} has a decimal comma; write decimal points")
        return DataError(
            f"{place}: {cell[:40]!r} is not a number; remove the column, encode it as numbers, or make it the label "
            f"(label={columns[index]!r})"
        )
    raise AssertionError("every cell is a number")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number
