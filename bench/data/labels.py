"""Class labels of any type as integer codes with their names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from bench.data.array_like import is_number
from bench.errors import DataError
from bench.text import as_seen, printable

#: Texts that programs write for a value that is missing; as labels they are refused as empty ones are. Words that may
#: name a class (none, -, ?) are not among them.
MISSING = ("nan", "NaN", "NAN", "NA", "N/A", "<NA>", "#N/A", "NULL", "null", "NaT")
#: From this many rows on, labels that differ in more than half of them are taken for a mistake (a number, an id).
LEAST_FOR_DISTINCT = 20


def encode_labels(
    labels: Any, n: int, *, row_name: Callable[[int], str] = "row {}".format, what: str = "labels"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Integer codes (N,), int64, and the name of each code; classes are sorted (numbers by value, text by letters).

    Args:
        labels: (N,) of whole numbers, truth values or text (as it is seen, without spaces around it), in a sequence.
        n: the number of rows that the data have.
        row_name: how a row number is called in messages.
        what: how the labels are called in messages.

    Raises:
        DataError: wrong length or shape, a missing label (or a text of `MISSING`), numbers that are no classes.
    """
    if not hasattr(labels, "__iter__") or isinstance(labels, (str, bytes, Mapping, Set)):
        raise DataError(f"{what}: a {type(labels).__name__} where one label per row is expected")
    values = list(np.asarray(labels).ravel()) if _is_column(labels) else list(labels)
    if len(values) != n:
        raise DataError(f"{what}: {len(values)} labels for {n} rows of data; give one label per row")
    plain = [_plain(value, row, row_name, what) for row, value in enumerate(values)]
    if all(isinstance(value, int) for value in plain):
        classes: list[Any] = sorted(set(plain))
    else:
        plain = [str(value) for value in plain]
        classes = sorted(set(plain), key=numbers_first)
    if n >= LEAST_FOR_DISTINCT and len(classes) > n // 2:
        raise DataError(f"{what}: {len(classes)} different values in {n} rows are no class labels; name another column")
    code = {value: index for index, value in enumerate(classes)}
    return np.array([code[value] for value in plain], dtype=np.int64), tuple(str(value) for value in classes)


def require_one_index(data: Any, labels: Any) -> None:
    """Raise `DataError` where a frame and labels of pandas count their rows differently: which belong together?"""
    if not (hasattr(data, "iloc") and hasattr(labels, "iloc")) or len(data) != len(labels):
        return
    pairs = () if data.index.equals(labels.index) else enumerate(zip(data.index, labels.index, strict=True))
    for row, (one, other) in pairs:
        if one != other:
            raise DataError(
                f"labels: row {row} has index {printable(one, 40)} in the data and {printable(other, 40)} in the "
                "labels; give labels.loc[data.index] to go by index, or labels.to_numpy() to go by position"
            )


def _is_column(labels: Any) -> bool:
    shape = getattr(labels, "shape", None)
    if shape is None or len(shape) == 1:
        return False
    if len(shape) == 2 and shape[1] == 1:
        return True
    raise DataError(f"labels have shape {tuple(shape)}; give one label per row, shape (N,)")


def _plain(value: Any, row: int, row_name: Callable[[int], str], what: str) -> int | str:
    """A label as a whole number or text; missing ones are refused."""
    value = value.item() if hasattr(value, "item") and getattr(value, "shape", ()) == () else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    value = as_seen(value) if isinstance(value, str) else value
    if isinstance(value, str) and value in MISSING:
        raise DataError(
            f"{what}: the label of {row_name(row)} is {value!r}, which stands for a missing value; fill it in or "
            "remove the row, or give the class another name"
        )
    if _is_missing(value):
        raise DataError(f"{what}: the label of {row_name(row)} is missing; fill it in or remove the row")
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (int, float, str)):
        return value if isinstance(value, (int, str)) else repr(value)
    raise DataError(f"{what}: the label of {row_name(row)} is a {type(value).__name__}; give whole numbers or text")


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, str) and not value):
        return True
    return type(value).__name__ == "NAType" or bool(value != value)  # pandas' missing value has no truth value


def numbers_first(text: str) -> tuple[int, float, str]:
    number = float(text) if is_number(text) else math.nan
    return (0, number, text) if number == number else (1, 0.0, text)
