"""A user's array-like as a numeric array in the suite's layout; what cannot be used is named with row and column."""

from __future__ import annotations

import warnings
from array import array as pyarray
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.errors import DataError
from bench.text import printable

CHANNELS = (1, 3)
#: Columns that a message lists by name.
NAMED_COLUMNS = 5
_PLAIN = (list, tuple, range, int, float, memoryview, bytearray, pyarray)
SHAPES = "(N, D) for vectors, (N, H, W) or (N, C, H, W) or (N, H, W, 1 or 3) for images"


@dataclass(frozen=True)
class Names:
    """How messages call the places of an array: rows by `row`, columns by their names where they have any.

    Attributes:
        columns: one name per column of a table, or None.
        row: row number (from 0) → words, e.g. "row 3" or "line 5".
        what: words for the whole, e.g. the file's name.
    """

    columns: Sequence[str] | None = None
    row: Callable[[int], str] = "row {}".format
    what: str = "data"

    def column(self, index: int) -> str:
        """Words for column `index` (from 0)."""
        return f"column {index}" if self.columns is None else f"column {self.columns[index]!r}"

    def columns_of(self, mask: np.ndarray) -> str:
        """Words for the columns (D,) where `mask` is true; of many, the first."""
        places = np.flatnonzero(mask).tolist()
        named = ", ".join(self.column(place) for place in places[:NAMED_COLUMNS])
        return named + (f" and {len(places) - NAMED_COLUMNS} more" if len(places) > NAMED_COLUMNS else "")

    def place(self, row: int, index: Sequence[int]) -> str:
        """Words for one value: its row and the index within the row."""
        if len(index) == 1:
            return f"{self.row(row)}, {self.column(index[0])}"
        return f"{self.row(row)}, position {tuple(int(i) for i in index)}"


def is_number(text: str) -> bool:
    """Whether `text` writes a number with the digits 0 to 9: `float` also reads 1_0 and digits of other scripts."""
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().isascii() and "_" not in text


def column_names(data: Any) -> list[str] | None:
    """The column names of a pandas (or similar) frame, None for anything else."""
    columns = getattr(data, "columns", None)
    return None if columns is None else [str(column) for column in columns]


def as_numbers(data: Any, names: Names) -> np.ndarray:
    """`data` as an array of whole, floating or truth values, unconverted and uncopied where it already is one.

    Raises:
        DataError: ragged, non-numeric or missing values (with row and column), sparse or complex arrays, what is no
            array.
    """
    if isinstance(data, np.ma.MaskedArray):
        if np.ma.is_masked(data):
            row, *index = np.argwhere(np.ma.getmaskarray(data))[0]
            raise _missing(names, row, index)
        data = data.data
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise DataError(f"{names.what}: sparse arrays are not read; give data.toarray()")
    if hasattr(data, "detach"):
        data = _of_tensor(data, names.what)
    _require_array_like(data, names.what)
    try:
        array = data if isinstance(data, np.ndarray) else np.asarray(data)
    except (ValueError, TypeError, RuntimeError) as error:  # the last: lists of tensors that need gradients
        _refuse_ragged(data, names)
        raise DataError(f"{names.what}: not an array of numbers ({error}); expected {SHAPES}") from None
    if array.dtype.names is not None:
        raise DataError(f"{names.what}: records with fields {', '.join(array.dtype.names)}; give one numeric array")
    if array.dtype.kind in "OUS":
        return _parse_objects(array, names)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{names.what}: values of type {array.dtype} are not real numbers; convert them first")
    return array


def _of_tensor(tensor: Any, what: str) -> np.ndarray:
    """A tensor's values; NumPy has neither bfloat16 nor smaller floating-point numbers, which float32 holds exactly."""
    values = tensor.detach()
    if str(values.layout) != "torch.strided" or values.is_quantized:
        raise DataError(f"{what}: sparse and quantised tensors are not read; give data.to_dense() or data.dequantize()")
    try:
        values = values.float() if values.is_floating_point() and values.element_size() < 4 else values
        return values.cpu().resolve_conj().resolve_neg().numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:  # no values ("meta"), subclasses
        raise DataError(f"{what}: a tensor without readable values ({printable(error, 100)}); give an array") from None


def _require_array_like(data: Any, what: str) -> None:
    """Raise `DataError` for what NumPy would make an array of though it is none: data sets of pairs, dictionaries."""
    if hasattr(data, "__array__") or hasattr(data, "__array_interface__") or isinstance(data, _PLAIN):
        return
    raise DataError(
        f"{what}: a {type(data).__name__} is not an array; give an array, a frame, a tensor or lists, {SHAPES}"
    )


def arrange(array: np.ndarray, what: str = "data") -> np.ndarray:
    """A view in the suite's layout, (N, D) or (N, C, H, W).

    (N, D) and (N, C, H, W) stay as they are; (N, H, W) gets one channel; (N, H, W, C) becomes (N, C, H, W) when its
    last axis has 1 or 3 entries and its second has neither. Where both or none fit, the second axis is the channel.

    Raises:
        DataError: another number of axes, an empty axis, or channels last in a number other than 1 or 3.
    """
    shape = array.shape
    if len(shape) not in (2, 3, 4):
        hint = "; for a single column use data.reshape(-1, 1)" if len(shape) == 1 else ""
        raise DataError(f"{what}: shape {shape} has {len(shape)} axes; expected {SHAPES}{hint}")
    if 0 in shape:
        raise DataError(f"{what}: shape {shape} holds no values; expected {SHAPES}")
    if len(shape) == 3:
        return array[:, None]
    if len(shape) == 4 and shape[1] not in CHANNELS:
        if shape[3] in CHANNELS:
            return np.moveaxis(array, 3, 1)
        if shape[2] in CHANNELS and shape[0] == shape[1]:
            raise DataError(
                f"{what}: shape {shape} looks like (H, W, {shape[2]}, N), as MATLAB stores pictures; turn it with "
                "numpy.transpose(data, (3, 2, 0, 1))"
            )
        if shape[3] < shape[1] and shape[3] <= 4:
            raise DataError(
                f"{what}: shape {shape} looks like (N, H, W, {shape[3]}); only 1 or 3 channels are read from the last "
                "axis: drop channels or move them to the second axis with numpy.moveaxis(data, 3, 1)"
            )
    return array


def _missing(names: Names, row: int, index: Sequence[int]) -> DataError:
    return DataError(
        f"{names.what}: the value at {names.place(int(row), index)} is missing; fill it in or remove the row"
    )


def _refuse_ragged(data: Any, names: Names) -> None:
    """Raise for the first row whose length differs from the first row's, if `data` is a list of rows."""
    if not isinstance(data, (list, tuple)) or not data or not hasattr(data[0], "__len__"):
        return
    for row, values in enumerate(data):
        length = len(values) if hasattr(values, "__len__") else None
        if length != len(data[0]):
            found = "no list" if length is None else f"{length} values"
            raise DataError(
                f"{names.what}: {names.row(row)} has {found} where {names.row(0)} has {len(data[0])}; "
                "all rows need the same length"
            )


def _parse_objects(array: np.ndarray, names: Names) -> np.ndarray:
    """Objects and text as float64 where each is a number; the first that is none is named."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what loses its imaginary part is found below
            numbers = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        numbers = None
    if numbers is not None and all(map(_is_real, array.flat)):
        return numbers
    for place in np.ndindex(array.shape):
        if not place:
            break
        value, (row, *index) = array[place], place
        if value is None or type(value).__name__ in ("NAType", "NaTType") or value == "":
            raise _missing(names, row, index)
        try:
            fits = _is_real(value)
            float(value if fits else 0)
        except (ValueError, TypeError, OverflowError):
            fits = False
        if not fits:
            kind = "text" if isinstance(value, (str, bytes)) else type(value).__name__
            raise DataError(
                f"{names.what}: {names.place(row, index)} holds {kind} ({str(value)[:40]!r}) where a number is "
                "expected; remove the column, encode it as numbers, or give it as labels"
            )
    raise DataError(f"{names.what}: not an array of numbers; expected {SHAPES}")


def _is_real(value: Any) -> bool:
    """Whether `float` may be asked for a value: it also takes times, complex numbers, and text of any spelling."""
    if isinstance(value, (str, bytes)):
        return is_number(_text(value))
    return not isinstance(value, (np.datetime64, np.timedelta64, np.complexfloating))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
