"""A table of numbers and text as numbers: kinds one-hot, missing values filled, both as the training rows say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.array_like import Names
from bench.data.column_kinds import kind_of, kinds_of
from bench.data.csv_file import listed
from bench.data.csv_texts import Column, TextTable
from bench.data.recipe import Recipe
from bench.errors import DataError, unknown_name
from bench.text import printable

#: What becomes of a missing value: the training rows' median or mean, the median and a column that says so, a row that
#: is left out, or a refusal. Of a column of text it is a kind of its own, unless its row is left out or refused.
MISSING_RULES = ("median", "mean", "indicator", "drop", "refuse")
#: Kinds that a note lists by name.
_NAMED = 4
_LEFT_OUT = {
    "identifier": "text of its own in (nearly) every row, left out as identifiers",
    "constant": "the same text in every row, left out",
    "nothing": "without any value, left out",
}


@dataclass(frozen=True)
class Prepared:
    """Rows of numbers.

    Attributes:
        values: float64 (N, D).
        columns: D names, NAME=KIND for one-hot ones.
        flags: positions of columns that hold 0 and 1 for no and yes.
        rows: of the table's rows those that are there.
        notes: each decision in a line.
        recipe: the same decisions for other rows.
    """

    values: np.ndarray
    columns: list[str]
    flags: list[int]
    rows: np.ndarray
    notes: tuple[str, ...]
    recipe: Recipe


def prepare(
    table: TextTable,
    train_rows: Callable[[np.ndarray], np.ndarray],
    limit: int,
    categories: Sequence[str] = (),
    missing: str = "median",
) -> Prepared:
    """The table as numbers.

    Args:
        train_rows: the places of the training rows among those that are left, which it is given by their numbers in
            the table; medians and kinds are theirs.
        limit: most bytes of the values as float64.
        categories: columns whose values are kinds, whatever they are.
        missing: of `MISSING_RULES`.

    Raises:
        UsageError: a name in `categories` that no column has.
        DataError: `kind_of` refuses a column; infinite values; missing ones that are refused; no column is left.
    """
    for name in categories:
        if name not in (known := [column.name for column in table.columns]):
            raise unknown_name("column", name, known)
    found = {column.name: kind_of(table, column, column.name in categories) for column in table.columns}
    notes = [f"{words}: {listed(names)}" for kind, words in _LEFT_OUT.items()
             if (names := [name for name, own in found.items() if own == kind])]  # fmt: skip
    used = [column for kind in ("numbers", "kinds") for column in table.columns if found[column.name] == kind]
    if not used:
        raise DataError(f"{table.path.name!r}: no column is left to learn from ({'; '.join(notes)})")
    n_numbers = sum(found[column.name] == "numbers" for column in used)
    kinds = [kinds_of(column) for column in used[n_numbers:]]
    matrix = np.stack([*(column.numbers[column.codes] for column in used[:n_numbers]),
                       *map(_ranks, used[n_numbers:], kinds)], axis=1)  # fmt: skip
    _refuse_infinite(matrix, used, table)
    rows, note = _rows(matrix, used, table, missing)
    matrix, notes = matrix[rows], [*notes, *note]
    train = matrix[train_rows(rows)]
    empty = np.isnan(train[:, :n_numbers]).all(0)
    if empty.any():
        names = [column.name for column, gone in zip(used, empty, strict=False) if gone]
        notes.append(f"without any value in the training rows, left out: {listed(names)}")
        keep = np.append(~empty, np.ones(len(kinds), dtype=bool))
        matrix, train, n_numbers = matrix[:, keep], train[:, keep], n_numbers - int(empty.sum())
        used = [column for column, stays in zip(used, keep, strict=True) if stays]
    texts = [[column.texts[code] for code in own] for column, own in zip(used[n_numbers:], kinds, strict=True)]
    looked_at = {column.name for column in used}
    order = tuple(column.name for column in table.columns if column.name in looked_at)
    return _fitted(matrix, train, used, texts, missing, rows, notes, limit, table.path.name, order)


def _ranks(column: Column, kinds: Sequence[int]) -> np.ndarray:
    """The place of each cell's text among the kinds, NaN for a missing one."""
    rank = np.full(len(column.texts), np.nan)
    rank[list(kinds)] = np.arange(len(kinds))
    return rank[column.codes]


def _refuse_infinite(matrix: np.ndarray, used: Sequence[Column], table: TextTable) -> None:
    if (places := np.argwhere(np.isinf(matrix))).size:
        row, index = places[0]
        names = Names([column.name for column in used], lambda row: f"line {table.line(row)}")
        raise DataError(
            f"{table.path.name!r}: the value at {names.place(row, [index])} is infinite ({matrix[row, index]}); "
            "correct it or remove the row"
        )


def _rows(
    matrix: np.ndarray, used: Sequence[Column], table: TextTable, missing: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows that stay, with a note on those that do not."""
    absent = np.isnan(matrix)
    if missing not in ("drop", "refuse") or not absent.any():
        return np.arange(len(matrix)), ()
    counted = _counted([column.name for column in used], absent.sum(0))
    if missing == "drop":
        rows = np.flatnonzero(~absent.any(1))
        return rows, (f"{len(matrix) - len(rows)} rows with missing values left out: {counted}",)
    row, index = np.argwhere(absent)[0]
    raise DataError(
        f"{table.path.name!r}: the value at line {table.line(int(row))}, column {used[index].name!r} is missing "
        f"({int(absent.sum())} in all: {counted}); fill them in, or say missing=median, mean, indicator or drop"
    )


def _fitted(
    matrix: np.ndarray,
    train: np.ndarray,
    used: Sequence[Column],
    texts: Sequence[Sequence[str]],
    missing: str,
    rows: np.ndarray,
    notes: list[str],
    limit: int,
    what: str,
    order: tuple[str, ...],
) -> Prepared:
    from sklearn.compose import ColumnTransformer  # it takes a while, and tables of numbers need none of it
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    n, names = len(used) - len(texts), [column.name for column in used]
    absent = np.isnan(matrix)
    texts = [[*own, "missing"] for own in texts]
    for rows_of in (matrix, train):
        for place, own in enumerate(texts, n):
            rows_of[np.isnan(rows_of[:, place]), place] = len(own) - 1
    strategy, marking = "mean" if missing == "mean" else "median", missing == "indicator"
    fill = SimpleImputer(strategy=strategy, add_indicator=marking)
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    steps = [("numbers", fill, slice(0, n))] * (n > 0) + [("kinds", encode, slice(n, len(used)))] * bool(texts)
    transformer = ColumnTransformer(steps).fit(train)
    fitted = transformer.named_transformers_
    marked = fitted["numbers"].indicator_.features_ if marking and n else ()
    seen = [own.astype(int) for own in fitted["kinds"].categories_] if texts else []
    columns = [*names[:n], *(f"{names[place]} missing" for place in marked)]
    columns += [f"{name}={text[code]}" for name, text, own in zip(names[n:], texts, seen, strict=True) for code in own]
    if len(matrix) * len(columns) * 8 > limit:
        raise DataError(
            f"{what!r}: {len(columns)} columns, most of them one-hot, take more than memory_limit={limit} bytes; leave "
            "columns out with drop="
        )
    if absent[:, :n].any():
        how = f"filled with the training rows' {strategy}" + " and marked in a column" * (missing == "indicator")
        notes.append(f"{int(absent[:, :n].sum())} missing values {how}: {_counted(names[:n], absent[:, :n].sum(0))}")
    notes += _on_kinds(names[n:], texts, seen, matrix[:, n:])
    shown = {
        name: frozenset(text[code] for code in own) for name, text, own in zip(names[n:], texts, seen, strict=True)
    }
    kinds = {name: tuple(text) for name, text in zip(names[n:], texts, strict=True)}
    recipe = Recipe(order, tuple(names[:n]), kinds, transformer, tuple(columns), shown, missing)
    flags = list(range(n, len(columns)))
    return Prepared(transformer.transform(matrix), columns, flags, rows, tuple(notes), recipe)


def _on_kinds(
    names: Sequence[str], texts: Sequence[Sequence[str]], seen: Sequence[np.ndarray], ranks: np.ndarray
) -> list[str]:
    """Which columns became one-hot, of how many kinds, and where held-out rows have kinds that no training row has."""
    found, strange = [], []
    for place, (name, own, known) in enumerate(zip(names, texts, seen, strict=True)):
        listing = ", ".join(printable(own[code], 20) for code in known[:_NAMED]) + ", …" * (len(known) > _NAMED)
        found.append(f"{printable(name, 40)!r} ({len(known)} kinds: {listing})")
        if other := int((~np.isin(ranks[:, place], known)).sum()):
            strange.append(f"{printable(name, 40)!r} ({other} rows)")
    notes = [f"text read as kinds, a column of 0 and 1 for each: {_some(found)}"] if found else []
    return notes + [f"WARNING: kinds that no training row has are 0 in each column: {_some(strange)}"] * bool(strange)


def _counted(names: Sequence[str], counts: np.ndarray) -> str:
    return _some(
        [f"{printable(name, 40)!r} ({int(count)})" for name, count in zip(names, counts, strict=True) if count]
    )


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:_NAMED]) + (f" and {len(words) - _NAMED} more" if len(words) > _NAMED else "")
