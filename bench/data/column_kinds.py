"""What the columns of a table of numbers and text are: numbers, kinds, identifiers; or a mistake, which is named."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from bench.data.array_like import is_number
from bench.data.csv_layout import NotNumbers, bad_cell, is_missing, reason_of
from bench.data.csv_texts import Column, TextTable
from bench.data.labels import MISSING, numbers_first
from bench.errors import DataError
from bench.spec.call import format_value

#: Kinds of a column of text that becomes one-hot; kinds of one that holds numbers as well, such as 0, 1, 2, 3+.
FEW, FEW_WITH_NUMBERS = 100, 12
#: Of so many of the rows that have a value, an identifier has different ones.
OWN = 0.9
_AMOUNT = r"(\d+(\.\d*)?|\d{1,3}([,.' \u00a0\u202f]\d{3})+([.,]\d+)?|\d*,\d+)"
#: A number as people write it for people: with signs of currency or percent, marks between thousands, a decimal comma.
_QUANTITY = re.compile(rf"[+-]?\s*[$€£¥]?\s*[+-]?{_AMOUNT}([eE][+-]?\d+)?\s*[%‰$€£¥]?", re.ASCII)


def kind_of(table: TextTable, column: Column, forced: bool) -> str:
    """What a column holds: "numbers", "kinds", "identifier", "constant" text or "nothing".

    Args:
        forced: whether the user wants its values to be taken as kinds.

    Raises:
        NotNumbers: text among numbers, or numbers that are written with signs and marks; with the first place.
        DataError: too many kinds for one-hot, and too few for an identifier.
    """
    if forced:
        return "kinds" if kinds_of(column) else "nothing"
    if not column.strange:
        return "numbers" if np.isfinite(column.numbers[column.codes]).any() or _infinite(column) else "nothing"
    _refuse_quantities(table, column)
    kinds = kinds_of(column)
    present = int(column.counts[kinds].sum())
    if _of_numbers(column):
        rare = min(column.counts[code] for code in column.strange) < 2
        if rare or len(kinds) > FEW_WITH_NUMBERS:
            raise _among_numbers(table, column)
    if len(kinds) == 1:
        return "constant"
    if len(kinds) >= OWN * present:
        return "identifier"
    if len(kinds) > FEW:
        raise DataError(
            f"{table.path.name!r}: column {column.name!r} holds text of {len(kinds)} kinds in {present} rows, too many "
            f"for one column each; {_ways(column)}"
        )
    return "kinds"


def kinds_of(column: Column) -> list[int]:
    """Codes of the texts that occur and stand for no missing one, sorted: numbers by value, text by letters."""
    found = [code for code, text in enumerate(column.texts) if column.counts[code] and not _stands_for_none(text)]
    return sorted(found, key=lambda code: numbers_first(column.texts[code]))


def _stands_for_none(text: str) -> bool:
    """Whether a cell of a column of text stands for a missing one; a word that may name a kind does not."""
    return not text or text in MISSING


def _of_numbers(column: Column) -> bool:
    """Whether at least half of the cells that are not missing are numbers."""
    return 2 * column.counts[np.isfinite(column.numbers)].sum() >= column.counts[kinds_of(column)].sum()


def _infinite(column: Column) -> bool:
    return bool(np.isinf(column.numbers[column.codes]).any())


def _ways(column: Column) -> str:
    name = format_value(column.name)
    return f"drop={name} leaves it out, categories={name} takes its values as kinds"


def _refuse_quantities(table: TextTable, column: Column) -> None:
    """Raise `NotNumbers` where most of what is no number is one that is written for people."""
    quantities = [code for code in column.strange if _is_quantity(column.texts[code])]
    if len(quantities) * 2 > len(column.strange):
        raise _no_number(table, column, quantities)


def _is_quantity(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return _QUANTITY.fullmatch(text) is not None
    return True  # a number in other digits, or with _


def _among_numbers(table: TextTable, column: Column) -> NotNumbers:
    """The error for the first text in a column of numbers, or for a line of words among lines of numbers."""
    line, record = table.record(_first(column, column.strange))
    numeric = {other.place for other in table.columns if _of_numbers(other)}
    if len(numeric) < 2 or any(is_number(record[place]) or is_missing(record[place]) for place in numeric):
        return _no_number(table, column, column.strange)
    layout = replace(table.layout, left_out=frozenset(range(len(record))) - numeric)
    return bad_cell(record, layout, None, line, repr(table.path.name))


def _no_number(table: TextTable, column: Column, codes: Collection[int]) -> NotNumbers:
    """The error for the first cell of a column that holds one of the texts."""
    row = _first(column, codes)
    text = column.texts[column.codes[row]]
    return NotNumbers(
        f"{table.path.name!r}, line {table.line(row)}, column {column.place + 1} ({column.name!r}): {text[:40]!r} "
        f"{reason_of(text, table.layout, column.place)}; or {_ways(column)}"
    )


def _first(column: Column, codes: Collection[int]) -> int:
    """The row of the first cell that holds one of the texts."""
    return int(np.flatnonzero(np.isin(column.codes, list(codes)))[0])
