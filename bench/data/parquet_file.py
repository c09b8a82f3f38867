"""Parquet files (extra `parquet`) as the tables that CSV files are read as; rows are counted from 1, as lines are."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.csv_file import Source, Table, Wanted
from bench.data.csv_layout import Layout, NotNumbers
from bench.data.csv_texts import Column, TextTable
from bench.data.regular_file import open_regular
from bench.errors import DataError, UsageError, unknown_name
from bench.text import as_seen, printable

#: How pandas calls a column of row names.
_INDEX = re.compile(r"__index_level_\d+__")
#: Bytes that a distinct text takes beside its characters, as in `csv_texts`.
_ENTRY = 160


class _Counted(Source):
    """A source whose rows are counted and not found on lines."""

    def record(self, row: int) -> tuple[int, list[str]]:
        with _opened(self.path, None) as file:
            table = file.read().slice(row, 1)
        return row + 1, ["" if value is None else str(value) for (value,) in (c.to_pylist() for c in table.columns)]

    def line(self, row: int) -> int:
        return row + 1

    def called(self, row: int) -> str:
        return f"row {row + 1}"


@dataclass(frozen=True)
class ParquetTable(_Counted, Table):
    """A Parquet file of numbers."""


@dataclass(frozen=True)
class ParquetTexts(_Counted, TextTable):
    """A Parquet file, each column as codes of the texts that it holds."""


def read_parquet(path: Path, wanted: Wanted) -> Table:
    """Read a Parquet file of numbers (truth values are 0 and 1); as `csv_file.read_csv`.

    Raises:
        NotNumbers: a column that holds something else.
        DataError: no readable Parquet file, no rows, nested or binary columns, more than `wanted.limit` bytes.
        UsageError: the library is not installed; a name that no column has.
    """
    table, layout, places, label = _table(path, wanted)
    columns = [table.column(place) for place in places]
    for place, column in zip(places, columns, strict=True):
        if not _is_number(column.type):
            raise NotNumbers(f"{path.name!r}: column {layout.columns[place]!r} holds {column.type}, no numbers")
    values = np.column_stack([np.asarray(column.cast("float64", safe=False).to_numpy()) for column in columns])
    labels = None if label is None else _texts(table.column(label), path, layout.columns[label], 1 << 62)
    named = None if labels is None else [labels[1][code] for code in labels[0]]
    return ParquetTable(path, layout, layout.notes, 0, values, [layout.columns[place] for place in places], named)


def read_parquet_texts(path: Path, wanted: Wanted) -> TextTable:
    """Read a Parquet file whatever its columns hold, otherwise as `read_parquet`; as `csv_texts.read_texts`."""
    table, layout, places, label = _table(path, wanted)
    columns, left = [], wanted.limit
    for place in places:
        codes, texts = _texts(table.column(place), path, layout.columns[place], left)
        left -= codes.nbytes + sum(_ENTRY + len(text) for text in texts)
        columns.append(Column(layout.columns[place], codes, tuple(texts), place))
    labels = None
    if label is not None:
        codes, texts = _texts(table.column(label), path, layout.columns[label], left)
        labels = [texts[code] for code in codes]
    return ParquetTexts(path, layout, layout.notes, 0, columns, labels)


@contextlib.contextmanager
def _opened(path: Path, limit: int | None) -> Iterator[Any]:
    """A Parquet file, through this package's own door, which sees what is read."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UsageError(f"{path.name!r}: Parquet files need pyarrow; pip install 'aebench[parquet]'") from None
    with open_regular(path, limit, bound="memory_limit=", advice="leave columns out") as stream:
        try:
            yield parquet.ParquetFile(stream)
        except (ArrowException, OSError) as error:
            raise DataError(f"{path.name!r}: not a readable Parquet file ({printable(error, 120)})") from None


def _table(path: Path, wanted: Wanted) -> tuple[Any, Layout, list[int], int | None]:
    """The columns of a file, its layout, the places of its data, and that of its labels or None."""
    if wanted.header != "auto":
        raise UsageError("header= is for CSV files; a Parquet file says its names itself")
    with _opened(path, wanted.limit) as file:
        return _read(file, path, wanted)


def _read(file: Any, path: Path, wanted: Wanted) -> tuple[Any, Layout, list[int], int | None]:
    names = [as_seen(name) for name in file.schema_arrow.names]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path.name!r} has two columns of the name {printable(twice[0], 40)!r}")
    label = None if wanted.label is None else as_seen(wanted.label)
    if label is not None and label not in names:
        raise unknown_name("column", label, names)
    rows = frozenset(place for place, name in enumerate(names) if _INDEX.fullmatch(name) and name != label)
    notes = ("row names left out",) if rows else ()
    layout = wanted.left_out(Layout(",", names, rows, False, None, 1, 0, notes))
    position = None if label is None else names.index(label)
    places = [place for place in range(len(names)) if place not in layout.left_out | {position}]
    if not places or not file.metadata.num_rows:
        raise DataError(f"{path.name!r} has no {'rows' if places else 'columns that are read'}")
    size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    if max(size, file.metadata.num_rows * len(places) * 8) > wanted.limit:
        raise DataError(f"{path.name!r}: values take {size} bytes or more, memory_limit={wanted.limit} is less")
    for place in places:
        _refuse_nested(file.schema_arrow.field(place).type, path, names[place])
    return file.read(), layout, places, position


def _refuse_nested(kind: Any, path: Path, name: str) -> None:
    import pyarrow as pa

    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise DataError(f"{path.name!r}: column {name!r} holds {kind}, no numbers and no text; leave it out with drop=")


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)


def _texts(column: Any, path: Path, name: str, limit: int) -> tuple[np.ndarray, list[str]]:
    """Codes (N,) of a column's cells and the distinct texts, "" for what is missing."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    values = encoded.dictionary.to_pylist()
    known: dict[str, int] = {}
    codes = [known.setdefault(_text(value), len(known)) for value in values]
    missing = known.setdefault("", len(known))
    if sum(_ENTRY + len(text) for text in known) + 8 * len(column) > limit:
        raise DataError(f"{path.name!r}: column {name!r} takes more than is left of memory_limit; raise it, or drop=")
    places = np.asarray(encoded.indices.fill_null(len(values)).to_numpy(), dtype=np.int64)
    return np.array([*codes, missing], dtype=np.int64)[places], list(known)


def _text(value: Any) -> str:
    """A value as a CSV file would have it."""
    return str(int(value)) if isinstance(value, bool) else as_seen(str(value))
